import NSTMAutograd
import NSTMConfiguration
import NSTMTensor

/// Activates a state when the token at a boundary is novel: 1 − max cos(k, Kₙ) > θ over active states.
///
/// Of the other states, the one whose learned key is most similar to the token is activated.
public struct NoveltyActivation: ActivationPolicy {
    public static let type = "novelty"
    public static let summary = "one more state when the token at a boundary is novel"
    /// Tokens between two boundaries.
    public var interval = 8
    /// Active states before the first token.
    public var initialActive = 4
    /// The threshold θ, in 0 … 2.
    public var above = 0.5
    /// Largest number of active states of a sequence.
    public var maxActive = Int.max
    public init() {}
    public init(
        interval: Int = Self().interval, initialActive: Int = Self().initialActive, above: Double = Self().above,
        maxActive: Int = Self().maxActive
    ) {
        self.interval = interval
        self.initialActive = initialActive
        self.above = above
        self.maxActive = maxActive
    }
    public mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions) {
        interval = reader.int("interval", default: interval, in: 1...1_000_000)
        initialActive = reader.int("initial-active", default: min(initialActive, layer.states), in: layer.choices)
        above = reader.double("above", default: above, in: 0...2)
        maxActive = reader.int("max-active", default: min(maxActive, layer.states), in: 1...65_536)
    }
    /// The first available states.
    public func initiallyActive(available: [Bool]) -> [Bool] {
        var left = initialActive
        return available.map { isAvailable in
            guard isAvailable, left > 0 else { return false }
            left -= 1
            return true
        }
    }
    public func activate(_ cosines: [Double], active: [Bool], available: [Bool]) -> [Int] {
        let known = cosines.indices.filter { active[$0] && available[$0] }
        guard known.count < maxActive, 1 - (known.map { cosines[$0] }.max() ?? -1) > above else { return [] }
        let rest = cosines.indices.filter { !active[$0] && available[$0] }
        // The first of equals.
        return rest.reduce(nil) { best, n in best.map { cosines[n] > cosines[$0] ? n : $0 } ?? n }.map { [$0] } ?? []
    }
}

/// Cosines of keys [B, T, D] with those of states [B, N, D]: [B, T, N].
///
/// Keys of tokens are first scaled to the same length in all heads, as in an update.
func keyCosines(_ keys: Tensor, _ states: Tensor, heads: Int) -> Tensor {
    let b = keys.shape[0], t = keys.shape[1], d = keys.shape[2]
    let byHead = Variable(keys.reshaped([b, t, heads, d / heads])).l2Normalized(scale: 1 / Double(heads).squareRoot()).value
    return byHead.reshaped([b, t, d]).matmul(Variable(states).l2Normalized().value, transposeOther: true)
}
