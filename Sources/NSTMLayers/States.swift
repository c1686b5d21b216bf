import NSTMAutograd
import NSTMTensor

/// The states of every sequence in a batch. State n of sequence b has a key part, by which it is found, and a value part, which is
/// what it holds; both are viewed as H heads of d by what reads them.
public struct StateBank {
    /// [B, N, D]
    public var keys: Variable
    /// [B, N, D]
    public var values: Variable
    /// Which states take part, and how strongly they are read.
    public let activity: StateActivity

    public init(keys: Variable, values: Variable, activity: StateActivity) {
        self.keys = keys
        self.values = values
        self.activity = activity
    }
    public var batch: Int { keys.shape[0] }
    /// Number of states N.
    public var count: Int { keys.shape[1] }
    /// Number of heads that readers see.
    public var heads: Int { activity.heads }

    /// Lets strategies work on the states: they find zeros in place of inactive ones, which have back afterwards what they held.
    /// Rows are chosen and not multiplied by the mask: an inactive state may hold anything, and 0 · NaN is NaN.
    func hidingInactive(_ work: (StateBank) -> StateBank) -> StateBank {
        guard let mask = activity.mask else { return work(self) }
        let active = (mask .> 0).expanded(mask.rank)
        func choose(_ x: Variable, else y: Variable) -> Variable { .where(active, x, y) }
        let nothing = Variable(Tensor(repeating: 0, values.shape, dtype: values.dtype))
        let next = work(StateBank(keys: choose(keys, else: nothing), values: choose(values, else: nothing), activity: activity))
        return StateBank(keys: choose(next.keys, else: keys), values: choose(next.values, else: values), activity: activity)
    }
}

/// Which states are active. An inactive state contributes exactly 0 to every read and is left exactly as it is.
public struct StateActivity {
    /// Added to the scores of a read, [B, N]: the logarithm of a state's activity, −∞ when it is inactive; nil: all fully active.
    public let readBias: Variable?
    /// 1 for active states and 0 for the others, [N], or [B, N] where sequences differ; nil: all active.
    public let mask: Tensor?
    /// Which state lies at each place, [N]; nil: state n at place n.
    public let identities: Tensor?
    public let heads: Int

    public init(readBias: Variable? = nil, mask: Tensor? = nil, identities: Tensor? = nil, heads: Int) {
        self.readBias = readBias
        self.mask = mask
        self.identities = identities
        self.heads = heads
    }
    /// The same, with the gradient of the read biases shown to who watches the pass for it (`StateObservation.saliency`).
    func observed(batch: Int, count: Int, _ dtype: DType, _ context: ForwardContext) -> StateActivity {
        let name = StateObservation.saliency.rawValue
        guard context.tape.isRecording, context.wants(name) else { return self }
        var bias = readBias ?? context.constant(Tensor(repeating: 0, [batch, count], dtype: dtype))
        if !bias.isRecorded { bias = context.input(bias.value) }
        return StateActivity(
            readBias: context.observingGradient(name, of: bias), mask: mask, identities: identities, heads: heads)
    }
    /// Scores [..., N] with those of inactive states at −∞, so that they take no part in a competition for tokens.
    public func hidingInactive(_ scores: Variable) -> Variable {
        guard let mask else { return scores }
        // With none left there is no competition either; the router sets all weights to 0.
        let flags = mask.doubles(), n = mask.shape[-1]
        var kept = flags
        for start in stride(from: 0, to: flags.count, by: n) where !flags[start..<start + n].contains(where: { $0 > 0 }) {
            for i in start..<start + n { kept[i] = 1 }
        }
        guard kept.contains(0) else { return scores }
        return scores.keeping(StateActivity.aligned(Tensor(kept, mask.shape), with: scores.shape))
    }
    /// What belongs to states, with 0 for inactive ones: [..., N].
    func masking(_ x: Variable, _ context: ForwardContext) -> Variable {
        mask.map { x * context.constant(StateActivity.aligned($0, with: x.shape)) } ?? x
    }
    /// A mask [B, N] with axes of length 1 for those that a shape [B, ..., N] has between them.
    static func aligned(_ mask: Tensor, with shape: Shape) -> Tensor {
        guard mask.rank == 2 else { return mask }
        return (2..<max(2, shape.rank)).reduce(mask) { m, _ in m.expanded(1) }
    }
    /// The same for sequences that use only some states, [B, N] of 0 and 1.
    package func restricted(to own: Tensor, _ context: ForwardContext) -> StateActivity {
        let open = mask.map { $0 * own } ?? own
        let bias = readBias ?? context.constant(Tensor(repeating: 0, own.shape, dtype: own.dtype))
        return StateActivity(readBias: bias.keeping(own), mask: open, identities: identities, heads: heads)
    }
    /// The identities of so many states. What is drawn at random for a state is drawn by identity and not by place, so that it stays
    /// the same when others are removed.
    public func identities(of count: Int) -> [Int] { identities?.doubles().map { Int($0) } ?? Array(0..<count) }
    /// Numbers of the active ones among so many states.
    /// - Parameter sequence: in which sequence of the batch; nil: in any.
    func active(of count: Int, sequence: Int? = nil) -> [Int] {
        guard let flags = mask?.doubles() else { return Array(0..<count) }
        let rows = flags.count == count || sequence == nil ? Array(0..<flags.count / max(1, count)) : [sequence!]
        return (0..<count).filter { n in rows.contains { flags[$0 * count + n] > 0 } }
    }
}

/// A token on its way into the states.
public struct RoutedToken {
    /// What the layer reads of the token, [B, D].
    public let features: Variable
    /// The key and value it offers, [B, D].
    public let key: Variable
    public let value: Variable
    /// How strongly it reaches each state, [B, N] in 0 ... 1; 0 for inactive states.
    public let weights: Variable

    public init(features: Variable, key: Variable, value: Variable, weights: Variable) {
        self.features = features
        self.key = key
        self.value = value
        self.weights = weights
    }
}

/// How one routed token changes the states. The only thing a new rule must write.
///
/// A rule whose result depends on the token and the states must leave a state with weight 0 exactly as it was, and must keep states
/// bounded.
public protocol StateUpdateRule: AnyObject {
    func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank
}

/// How much of each state every token replaces.
public struct UpdateCoefficients {
    /// [B, T, N] in 0 ... 1: K ← (1 − u) K + u k, and V alike.
    public let write: Variable
    public init(write: Variable) { self.write = write }
}

/// A rule whose gates depend on tokens only: it gives coefficients for a whole stretch of tokens, and gets both `step` and a
/// fused, differentiable scan from the framework. The scan gives no gradient to a coefficient that is exactly 0.
public protocol TokenDrivenUpdateRule: StateUpdateRule {
    /// - Parameters:
    ///   - tokens: features [B, T, D].
    ///   - routing: weights [B, T, N].
    func coefficients(_ tokens: Variable, _ routing: Variable, _ context: ForwardContext) -> UpdateCoefficients
}

extension TokenDrivenUpdateRule {
    /// One token of the convex update, written with plain operations.
    public func step(_ states: StateBank, _ token: RoutedToken, _ context: ForwardContext) -> StateBank {
        let u = coefficients(token.features.expanded(1), token.weights.expanded(1), context).write.squeezed(1).expanded(2)
        var next = states
        next.keys = states.keys + u * (token.key.expanded(1) - states.keys)
        next.values = states.values + u * (token.value.expanded(1) - states.values)
        return next
    }
}

/// Which states a token reaches, and how strongly.
public protocol RoutingPolicy: AnyObject {
    /// tokens [B, T, D] → weights [B, T, N] in 0 ... 1. A weight of exactly 0 saves the work of that state.
    ///
    /// Where states compete, inactive ones must not: the weights of the others are as if they were not there
    /// (`activity.hidingInactive`). The router sets their own weights to 0 in any case.
    ///
    /// - Parameter position: tokens of this sequence that came before. What a token gets may depend on its own position and on
    ///   nothing that comes later; random numbers are drawn by position, so that any split of a sequence draws the same.
    func callAsFunction(_ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext) -> Variable
}

/// A routing policy that looks back at earlier tokens of the sequence, through what it carries from one part to the next.
public protocol CarryingRoutingPolicy: RoutingPolicy {
    /// What is carried before the first token, [B, ...].
    func beginning(batch: Int, _ dtype: DType) -> Tensor
    /// - Parameter carried: what the part before left.
    /// - Returns: weights [B, T, N], and what the next part needs.
    func route(
        _ tokens: Variable, _ activity: StateActivity, position: Int, carried: Variable, _ context: ForwardContext
    ) -> (weights: Variable, carried: Variable)
}

extension CarryingRoutingPolicy {
    /// Routes from the beginning.
    public func callAsFunction(
        _ tokens: Variable, _ activity: StateActivity, position: Int, _ context: ForwardContext
    ) -> Variable {
        let start = context.constant(beginning(batch: tokens.shape[0], tokens.dtype))
        return route(tokens, activity, position: position, carried: start, context).weights
    }
}

/// States talk to states, every so many tokens.
public protocol StateInteraction: AnyObject {
    func callAsFunction(_ states: StateBank, _ context: ForwardContext) -> StateBank
}

/// A token reads the states.
public protocol StateReadout: AnyObject {
    /// queries [B, D] → what is read, [B, D].
    func callAsFunction(_ queries: Variable, _ states: StateBank, _ context: ForwardContext) -> Variable
}
