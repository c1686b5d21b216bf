import NSTMAutograd
import NSTMConfiguration
import NSTMTensor

/// Lets each sequence use only the states it needs: it begins with a few, and at every boundary more may be switched on.
///
/// The others cost nothing in the scan, are neither read nor written, and stay at their learned beginnings.
///
/// A decision sees one sequence and what came before, so it depends on nothing else in the batch and is causal. No gradient goes
/// through it.
public protocol ActivationPolicy: Configurable where Scope == LayerDimensions {
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

extension ActivationPolicy {
    /// The activity [B, N] of every sequence before its first token.
    func initialState(batch: Int, _ manager: StateManager, _ dtype: DType) -> Tensor {
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

extension Registry where Value == any ActivationPolicy, Scope == LayerDimensions {
    public init() { self.init("activation policy", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds a activation policy under the name of its type.
    public mutating func register<Policy: ActivationPolicy>(_ type: Policy.Type) { register(type.init()) }
}
