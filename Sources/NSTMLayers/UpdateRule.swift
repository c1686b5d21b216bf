import NSTMAutograd
import NSTMTensor

/// A token on its way through the states.
public struct RoutedToken {
    /// What the layer reads of the token, [B, D].
    public let features: Variable
    /// What it asks for, and the key and value it offers, [B, D] each; keys have length √d in every head.
    public let query: Variable
    public let key: Variable
    public let value: Variable
    /// How strongly it reaches each state, [B, N] in 0 ... 1; 0 for inactive states.
    public let weights: Variable
    /// How strongly it reads each state, [B, N] in 0 ... 1, where the routing policy says so; nil: as strongly as it reaches them.
    public let reads: Variable?

    public init(
        features: Variable, query: Variable, key: Variable, value: Variable, weights: Variable, reads: Variable? = nil
    ) {
        self.features = features
        self.query = query
        self.key = key
        self.value = value
        self.weights = weights
        self.reads = reads
    }
    /// How strongly it reads each state, [B, N].
    public var readWeights: Variable { reads ?? weights }
}

extension RoutedToken {
    /// Places of the states that the token reaches in each sequence, int32 [B, k], k the most in any; filled up with others, which have
    /// weight 0. Nil when more than half of the states are reached.
    func reachedPlaces() -> Tensor? {
        let b = weights.shape[0], n = weights.shape[1], w = weights.value.doubles()
        let reached = (0..<b).map { i in (0..<n).filter { w[i * n + $0] != 0 } }
        let k = max(1, reached.map(\.count).max() ?? 0)
        guard 2 * k <= n else { return nil }
        let places = reached.enumerated().flatMap { i, own in
            own + (0..<n).lazy.filter { w[i * n + $0] == 0 }.prefix(k - own.count)
        }
        return Tensor(places.map { Int32($0) }, [b, k])
    }
}

/// A stretch of tokens on their way through the states.
public struct RoutedTokens {
    /// What the layer reads of the tokens, [B, T, D].
    public let features: Variable
    /// Queries, keys and values side by side, [B, T, 3·D]; keys of any length.
    public let qkv: Variable
    /// [B, T, N] in 0 ... 1; 0 for inactive states.
    public let weights: Variable
    /// How strongly the tokens read each state, [B, T, N], where the routing policy says so; nil: as strongly as they reach them.
    public let reads: Variable?

    public init(features: Variable, qkv: Variable, weights: Variable, reads: Variable? = nil) {
        self.features = features
        self.qkv = qkv
        self.weights = weights
        self.reads = reads
    }
    /// How strongly the tokens read each state, [B, T, N].
    public var readWeights: Variable { reads ?? weights }
    /// D
    public var width: Int { qkv.shape[2] / 3 }
    public var count: Int { qkv.shape[1] }
    /// The length that keys are given in every head, √d.
    func keyLength(heads: Int) -> Double { (Double(width) / Double(heads)).squareRoot() }
    /// Queries, keys of that length, and values, [B, T, D] each.
    func split(heads: Int) -> (queries: Variable, keys: Variable, values: Variable) {
        let b = qkv.shape[0], parts = qkv.split(2, into: 3)
        let keys = parts[1].reshaped([b, count, heads, width / heads]).l2Normalized(scale: keyLength(heads: heads))
        return (parts[0], keys.reshaped([b, count, width]), parts[2])
    }
    /// Segments of given lengths, one after the other.
    func split(_ lengths: [Int]) -> [RoutedTokens] {
        let x = features.split(1, lengths), q = qkv.split(1, lengths), w = weights.split(1, lengths), r = reads?.split(1, lengths)
        return lengths.indices.map { RoutedTokens(features: x[$0], qkv: q[$0], weights: w[$0], reads: r?[$0]) }
    }
    /// One after the other.
    func each(heads: Int) -> [RoutedToken] {
        let ones = Array(repeating: 1, count: count), parts = split(heads: heads)
        let all = [features, parts.queries, parts.keys, parts.values, weights] + (reads.map { [$0] } ?? [])
        let rows = all.map { $0.split(1, ones).map { $0.squeezed(1) } }
        return ones.indices.map {
            RoutedToken(
                features: rows[0][$0], query: rows[1][$0], key: rows[2][$0], value: rows[3][$0], weights: rows[4][$0],
                reads: reads == nil ? nil : rows[5][$0])
        }
    }
}

/// How one routed token changes the states. `step` is the only thing a new rule must write.
///
/// A rule must leave a state with weight 0 exactly as it was, and must keep states bounded.
public protocol StateUpdateRule: AnyObject {
    func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank
    /// The states as the token itself reads them; by default those after its own update.
    func view(before: StateBank, after: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank
    /// Many steps and reads at once, for the readouts that a rule is fused with; nil, the default, for all others, which go step
    /// by step.
    /// - Returns: what the tokens read, [B, T, D], and the states after the last one, as the steps would give them.
    func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)?
    /// Whether the step of a state looks at that state and the token alone, with weights that all states share; false by default.
    /// Only the states that a token reaches are stepped then, a few of them at the places of others.
    var stepsStatesAlone: Bool { get }
    /// What `StateBank.usage` begins with for every state; nil, the default, for a rule that counts nothing.
    var initialUsage: Double? { get }
}

extension StateUpdateRule {
    public func view(before: StateBank, after: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank { after }
    public func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)?
    { nil }
    public var stepsStatesAlone: Bool { false }
    public var initialUsage: Double? { nil }
}

/// A rule whose gates depend on tokens only: it gives the update of a whole stretch of tokens as one of the families
/// `ConvexUpdate`, `MatrixUpdate` and `SelectiveUpdate`, and has from it `step` and a fused, differentiable scan.
public protocol TokenDrivenUpdateRule: StateUpdateRule {
    /// - Parameters:
    ///   - tokens: features [B, T, D].
    ///   - routing: weights [B, T, N].
    ///   - usage: what was counted before the first token, [B, N]; nil for a rule that counts nothing.
    func update(_ tokens: Variable, _ routing: Variable, usage: Variable?, _ context: ForwardContext) -> any UpdateFamily
}

/// One form of recurrence, with what its tokens need.
public protocol UpdateFamily {
    /// One token, with plain operations; the numbers are those of a stretch of one.
    func step(_ states: StateBank, _ token: RoutedToken) -> StateBank
    func view(before: StateBank, after: StateBank, _ token: RoutedToken) -> StateBank
    /// All tokens of the stretch; nil when it is not fused with the readout.
    func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)?
}
extension UpdateFamily {
    public func view(before: StateBank, after: StateBank, _ token: RoutedToken) -> StateBank { after }
}

extension TokenDrivenUpdateRule {
    private func update(_ token: RoutedToken, _ states: StateBank, _ context: ForwardContext) -> any UpdateFamily {
        update(token.features.expanded(1), token.weights.expanded(1), usage: states.usage, context)
    }
    public func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        update(token, states, context).step(states, token)
    }
    public func view(before: StateBank, after: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        update(token, before, context).view(before: before, after: after, token)
    }
    public func scan(_ tokens: RoutedTokens, _ states: StateBank, _ readout: any StateReadout, _ context: ForwardContext)
        -> (reads: Variable, states: StateBank)?
    {
        update(tokens.features, tokens.weights, usage: states.usage, context).scan(tokens, states, readout, context)
    }
}
