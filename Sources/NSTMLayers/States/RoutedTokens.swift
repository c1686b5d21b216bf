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
    /// How strongly it reaches each state, [B, N] in 0 … 1; 0 for inactive states.
    public let weights: Variable
    /// How strongly it reads each state, [B, N] in 0 … 1, where the routing policy says so; nil: as strongly as it reaches them.
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
    /// Places of the states that the token reaches in each sequence, int32 [B, k], k the most in any; filled up with others,
    /// which have weight 0.
    ///
    /// Nil when more than half of the states are reached.
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
    /// [B, T, N] in 0 … 1; 0 for inactive states.
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
    /// Width D.
    public var width: Int { qkv.shape[2] / 3 }
    public var count: Int { qkv.shape[1] }
    /// The length that keys are given in every head, √d.
    public func keyLength(heads: Int) -> Double { (Double(width) / Double(heads)).squareRoot() }
    /// Queries, keys of that length, and values, [B, T, D] each.
    public func split(heads: Int) -> (queries: Variable, keys: Variable, values: Variable) {
        let b = qkv.shape[0], parts = qkv.split(axis: 2, into: 3)
        let keys = parts[1].reshaped([b, count, heads, width / heads]).l2Normalized(scale: keyLength(heads: heads))
        return (parts[0], keys.reshaped([b, count, width]), parts[2])
    }
    /// Segments of given lengths, one after the other.
    func split(_ lengths: [Int]) -> [RoutedTokens] {
        let x = features.split(axis: 1, lengths), q = qkv.split(axis: 1, lengths), w = weights.split(axis: 1, lengths),
            r = reads?.split(axis: 1, lengths)
        return lengths.indices.map { RoutedTokens(features: x[$0], qkv: q[$0], weights: w[$0], reads: r?[$0]) }
    }
    /// One after the other.
    func each(heads: Int) -> [RoutedToken] {
        let ones = Array(repeating: 1, count: count), parts = split(heads: heads)
        let all = [features, parts.queries, parts.keys, parts.values, weights] + (reads.map { [$0] } ?? [])
        let rows = all.map { $0.split(axis: 1, ones).map { $0.squeezed(axis: 1) } }
        return ones.indices.map {
            RoutedToken(
                features: rows[0][$0], query: rows[1][$0], key: rows[2][$0], value: rows[3][$0], weights: rows[4][$0],
                reads: reads == nil ? nil : rows[5][$0])
        }
    }
}
