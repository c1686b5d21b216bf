import NSTMAutograd
import NSTMTensor

/// A sequence switches a state on when the token at a boundary resembles none of those in use: 1 − max cos(k, Kₙ) > θ; of the others
/// it takes the one whose learned key is most alike.
public struct NoveltyActivation: ActivationPolicy {
    public let interval: Int
    /// States at the beginning.
    public let start: Int
    /// θ, in 0 ... 2.
    public let above: Double
    /// Most states of a sequence.
    public let budget: Int
    public init(interval: Int = 8, start: Int = 4, above: Double = 0.5, budget: Int = .max) {
        self.interval = interval
        self.start = start
        self.above = above
        self.budget = budget
    }
    /// The first of the available ones.
    public func beginning(available: [Bool]) -> [Bool] {
        var left = start
        return available.map { isAvailable in
            guard isAvailable, left > 0 else { return false }
            left -= 1
            return true
        }
    }
    public func activate(_ cosines: [Double], active: [Bool], available: [Bool]) -> [Int] {
        let known = cosines.indices.filter { active[$0] && available[$0] }
        guard known.count < budget, 1 - (known.map { cosines[$0] }.max() ?? -1) > above else { return [] }
        let rest = cosines.indices.filter { !active[$0] && available[$0] }
        // The first of equals.
        return rest.reduce(nil) { best, n in best.map { cosines[n] > cosines[$0] ? n : $0 } ?? n }.map { [$0] } ?? []
    }
}

/// Cosines of keys [B, T, D] with those of states [B, N, D], → [B, T, N]. Keys count as states take them in: of one length in all heads.
func keyCosines(_ keys: Tensor, _ states: Tensor, heads: Int) -> Tensor {
    let b = keys.shape[0], t = keys.shape[1], d = keys.shape[2]
    let byHead = Variable(keys.reshaped([b, t, heads, d / heads])).l2Normalized(scale: 1 / Double(heads).squareRoot()).value
    return byHead.reshaped([b, t, d]).matmul(Variable(states).l2Normalized().value, transposeOther: true)
}
