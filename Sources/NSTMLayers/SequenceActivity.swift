import NSTMAutograd
import NSTMTensor

/// Lets each sequence use only the states it needs: it begins with a few, and at every boundary more may be switched on. The others
/// cost nothing in the scan, are neither read nor written, and stay at their learned beginnings.
///
/// A decision sees one sequence and what came before, so it depends on nothing else in the batch and is causal. No gradient goes
/// through it.
public protocol ActivationPolicy: Sendable {
    /// Tokens between two boundaries, which lie at multiples of it.
    var interval: Int { get }
    /// Whether a sequence begins with each state; at least one of the available ones.
    func beginning(available: [Bool]) -> [Bool]
    /// Places of the states that a sequence switches on before it reads its next token.
    /// - Parameters:
    ///   - cosines: of the token's key with the key of each state, as they are before the token.
    ///   - active: the states in use.
    ///   - available: those that the layer has.
    func activate(_ cosines: [Double], active: [Bool], available: [Bool]) -> [Int]
}

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

extension ActivationPolicy {
    /// The activity [B, N] of every sequence before its first token.
    func beginning(batch: Int, _ manager: StateManager, _ dtype: DType) -> Tensor {
        let flags = beginning(available: manager.active)
        return Tensor(flags.map { $0 ? 1.0 : 0 }, [1, flags.count]).cast(to: dtype).broadcast(to: [batch, flags.count])
            .contiguous()
    }
    /// The activity after a boundary.
    /// - Parameters:
    ///   - activity: [B, N]; keys: of the token after the boundary, [B, 1, D]; states: their keys, [B, N, D].
    func next(_ activity: Tensor, keys: Tensor, states: Tensor, _ manager: StateManager) -> Tensor {
        let cosines = keyCosines(keys, states, heads: manager.heads).doubles(), available = manager.active, n = available.count
        var flags = activity.doubles()
        for start in stride(from: 0, to: flags.count, by: n) {
            let active = flags[start..<start + n].map { $0 > 0 }
            for place in activate(Array(cosines[start..<start + n]), active: active, available: available) {
                flags[start + place] = 1
            }
        }
        return Tensor(flags, activity.shape).cast(to: activity.dtype)
    }
}
