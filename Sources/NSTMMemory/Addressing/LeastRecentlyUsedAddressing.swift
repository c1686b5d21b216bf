import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

extension Addressing {
    /// Write heads that write to the rows read last, or to the row that has not been used for the longest time.
    ///
    ///     w = α (γ r⁻ + (1 − γ) 1_oldest),   α, γ = σ
    ///
    /// A row counts as used in a step in which the sum of its weights, of all heads, is above δ = 0.005. The oldest row is cleared to
    /// the degree α (1 − γ) to which it is written. Rae et al. 2016, "Scaling memory-augmented neural networks with sparse reads and
    /// writes", section 3.2, where the row is cleared entirely in every step, also by a token that writes nothing; the addressing is
    /// that of Santoro et al. 2016, "Meta-learning with memory-augmented neural networks". Write head h reads the weights of read head
    /// h, modulo their number; several heads take the oldest rows in turn.
    public final class LeastRecentlyUsed: MemoryAddressing {
        /// δ, the weight above which a row counts as used.
        public static let threshold = 0.005
        private let memory: MemoryDimensions

        public init(_ memory: MemoryDimensions) { self.memory = memory }
        public var interfaceWidth: Int { 2 * memory.writeHeads }
        public var multiplyAdds: Int? { 0 }
        public var carriedCount: Int { memory.rows }

        public func begin(batch: Int, _ state: inout MemoryState, _ context: ForwardContext) {
            // Number of steps since the last use; initially all rows are unused, the first one for the longest time.
            let ages = (0..<batch).flatMap { _ in (0..<memory.rows).map { Double(memory.rows - $0) } }
            state["age"] = context.constant(Tensor(ages, [batch, memory.rows]).cast(to: state.rows.dtype))
        }
        public func weights(_ interface: inout MemoryInterface, _ state: inout MemoryState, _ context: ForwardContext) -> Variable
        {
            let gates = interface.take(memory.writeHeads).sigmoid(), shares = interface.take(memory.writeHeads).sigmoid()
            let last = state.readWeights, used = last.value.sum(axes: [1]) + state.writeWeights.value.sum(axes: [1])
            let age = Tensor.where(
                used .> Self.threshold, .zeros(used.shape, dtype: used.dtype), state["age"]!.value.affine(1, 1))
            state["age"] = context.constant(age)
            let oldest = age.topK(memory.writeHeads, axis: 1).indices
            var weights: [Variable] = [], kept: Variable?
            for h in 0..<memory.writeHeads {
                let row = context.constant(
                    Tensor.oneHot(oldest.select(axis: 1, h), classes: memory.rows, dtype: used.dtype))
                let gate = gates.slice(axis: 1, h..<h + 1), share = shares.slice(axis: 1, h..<h + 1)
                let fresh = (gate * (1 - share)) * row
                weights.append((gate * share) * last.select(axis: 1, h % memory.readHeads) + fresh)
                kept = kept.map { $0 * (1 - fresh) } ?? (1 - fresh)
            }
            state.retention = kept
            return .stacked(weights)
        }
    }
}

extension Addressing.LeastRecentlyUsed {
    public struct Configuration: MemoryAddressingConfiguration {
        public static let type = "least-recently-used"
        public static let summary = "for writing: the rows read last, or the row unused for the longest time"
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ scope: MemoryStrategies.AddressingScope) {
            if scope.role == .read {
                reader.addIssue("type", "'least-recently-used' addresses write heads; these are read heads")
            }
        }
        public func make(_ parameters: ParameterBuilder, _ memory: MemoryDimensions, _ role: MemoryDimensions.Role)
            -> any MemoryAddressing
        {
            Addressing.LeastRecentlyUsed(memory)
        }
    }
}
