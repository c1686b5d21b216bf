import NSTMAutograd
import NSTMConfiguration
import NSTMTensor

/// Activates states within a sequence on demand: a sequence starts with a few, and at every boundary more may be activated.
///
/// Inactive states have no cost in the scan, are neither read nor written, and keep their learned initial values. A decision
/// depends only on earlier tokens of the same sequence, so it is causal and independent of the batch. No gradient flows through
/// it.
public protocol ActivationPolicy: Configurable where Scope == LayerDimensions {
    /// Tokens between two boundaries, which are at the multiples of the interval.
    var interval: Int { get }
    /// Whether a sequence starts with each state active; at least one of the available ones must be.
    func initiallyActive(available: [Bool]) -> [Bool]
    /// Indices of the states that a sequence activates before it reads its next token.
    /// - Parameters:
    ///   - cosines: cosine of the key of the token and the key of each state, as they are before the token.
    ///   - active: the active states of the sequence.
    ///   - available: the active states of the layer.
    func activate(_ cosines: [Double], active: [Bool], available: [Bool]) -> [Int]
}

extension ActivationPolicy {
    /// The activity [B, N] of every sequence before its first token.
    func initialState(batch: Int, _ manager: StateManager, _ dtype: DType) -> Tensor {
        let flags = initiallyActive(available: manager.active)
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
            for index in activate(Array(cosines[start..<start + n]), active: active, available: available) {
                flags[start + index] = 1
            }
        }
        return Tensor(flags, activity.shape).cast(to: activity.dtype)
    }
}

extension Registry where Value == any ActivationPolicy, Scope == LayerDimensions {
    public init() { self.init("activation policy", type: { Swift.type(of: $0) }, read: { $0.read($1, $2) }) }
    /// Adds an activation policy under the name of its type.
    public mutating func register<Policy: ActivationPolicy>(_ type: Policy.Type) { register(type.init()) }
}
