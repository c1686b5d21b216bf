import NSTMAutograd
import NSTMTensor

/// A token with its query, key, value and routing weights.
public struct RoutedToken {
    /// The input of the layer, [B, D].
    public let features: Variable
    /// Query, [B, D].
    public let query: Variable
    /// Key, [B, D], of length √d in every head.
    public let key: Variable
    /// Value, [B, D].
    public let value: Variable
    /// Write weights [B, N] in 0 … 1; 0 for inactive states.
    public let weights: Variable
    /// Read weights [B, N] in 0 … 1 of routing policies that have them; nil: the write weights.
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
    /// Read weights, [B, N].
    public var readWeights: Variable { reads ?? weights }
}

extension RoutedToken {
    /// Indices of the states that the token reaches in each sequence, int32 [B, k], where k is the maximum over sequences.
    ///
    /// Rows are padded with indices of other states, which have weight 0.
    ///
    /// nil if more than half of the states are reached.
    func reachedIndices() -> Tensor? {
        let b = weights.shape[0], n = weights.shape[1], w = weights.value.doubles()
        let reached = (0..<b).map { i in (0..<n).filter { w[i * n + $0] != 0 } }
        let k = max(1, reached.map(\.count).max() ?? 0)
        guard 2 * k <= n else { return nil }
        let indices = reached.enumerated().flatMap { i, own in
            own + (0..<n).lazy.filter { w[i * n + $0] == 0 }.prefix(k - own.count)
        }
        return Tensor(indices.map { Int32($0) }, [b, k])
    }
}

/// A segment of tokens with queries, keys, values and routing weights.
public struct RoutedTokens {
    /// The inputs of the layer, [B, T, D].
    public let features: Variable
    /// Queries, keys and values concatenated, [B, T, 3·D]; keys of any length.
    public let qkv: Variable
    /// Write weights [B, T, N] in 0 … 1; 0 for inactive states.
    public let weights: Variable
    /// Read weights [B, T, N] of routing policies that have them; nil: the write weights.
    public let reads: Variable?

    public init(features: Variable, qkv: Variable, weights: Variable, reads: Variable? = nil) {
        self.features = features
        self.qkv = qkv
        self.weights = weights
        self.reads = reads
    }
    /// Read weights, [B, T, N].
    public var readWeights: Variable { reads ?? weights }
    /// Width D.
    public var width: Int { qkv.shape[2] / 3 }
    /// Number of tokens T.
    public var count: Int { qkv.shape[1] }
    /// The length √d to which keys are scaled in every head.
    public func keyLength(heads: Int) -> Double { (Double(width) / Double(heads)).squareRoot() }
    /// Queries, keys scaled to `keyLength`, and values, [B, T, D] each.
    public func split(heads: Int) -> (queries: Variable, keys: Variable, values: Variable) {
        let b = qkv.shape[0], parts = qkv.split(axis: 2, into: 3)
        let keys = parts[1].reshaped([b, count, heads, width / heads]).l2Normalized(scale: keyLength(heads: heads))
        return (parts[0], keys.reshaped([b, count, width]), parts[2])
    }
    /// Consecutive segments of the given lengths.
    func split(_ lengths: [Int]) -> [RoutedTokens] {
        let x = features.split(axis: 1, lengths), q = qkv.split(axis: 1, lengths), w = weights.split(axis: 1, lengths),
            r = reads?.split(axis: 1, lengths)
        return lengths.indices.map { RoutedTokens(features: x[$0], qkv: q[$0], weights: w[$0], reads: r?[$0]) }
    }
    /// The tokens in order.
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
