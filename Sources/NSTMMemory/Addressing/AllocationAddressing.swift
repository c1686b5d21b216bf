import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

extension Addressing {
    /// The write addressing of the differentiable neural computer: rows that are free, or rows by content.
    ///
    ///     u ← (u + (1 − u)(1 − Π(1 − w⁻))) ψ,  ψ = Π(1 − f r⁻);   w = g_w (g_a a(u) + (1 − g_a) wᶜ)
    ///
    /// with the weights w⁻ and r⁻ of the last write and read, free gates f of the read heads, and allocation weights a
    /// (`Variable.allocationWeights`). Graves et al. 2016, "Hybrid computing using a neural network with dynamic external memory",
    /// section "Dynamic memory allocation" of the methods. With several write heads, each one allocates after those before it.
    ///
    /// With `deallocates`, rows that were freed are also cleared: ψ multiplies the rows (Csordás & Schmidhuber 2019, section 3.2).
    public final class Allocation: MemoryAddressing {
        private let keys: ContentKeys
        private let memory: MemoryDimensions
        /// Whether rows that were freed are cleared.
        public let deallocates: Bool

        public init(_ memory: MemoryDimensions, masked: Bool = false, deallocates: Bool = false) {
            keys = ContentKeys(memory, .write, masked: masked)
            self.memory = memory
            self.deallocates = deallocates
        }
        public var interfaceWidth: Int { keys.interfaceWidth + 2 * memory.writeHeads + memory.readHeads }
        public var multiplyAdds: Int? { keys.multiplyAdds }
        public var carriedCount: Int { memory.rows }

        public func begin(batch: Int, _ state: inout MemoryState, _ context: ForwardContext) {
            state["usage"] = context.constant(.zeros([batch, memory.rows], dtype: state.rows.dtype))
        }
        public func weights(_ interface: inout MemoryInterface, _ state: inout MemoryState, _ context: ForwardContext) -> Variable
        {
            let content = keys.weights(&interface, state.rows)
            let allocationGates = interface.take(memory.writeHeads).sigmoid(),
                writeGates = interface.take(memory.writeHeads).sigmoid()
            let free = interface.take(heads: memory.readHeads, 1).sigmoid()
            let kept = product(1 - free * state.readWeights), unwritten = product(1 - state.writeWeights)
            // 1 − (1 − u) Π(1 − w) = u + (1 − u)(1 − Π(1 − w)).
            var usage = (1 - (1 - state["usage"]!) * unwritten) * kept
            state["usage"] = usage
            if deallocates { state.retention = kept }
            var weights: [Variable] = []
            for h in 0..<memory.writeHeads {
                let allocation = usage.allocationWeights(), wanted = content.select(axis: 1, h)
                let share = allocationGates.slice(axis: 1, h..<h + 1), gate = writeGates.slice(axis: 1, h..<h + 1)
                weights.append(gate * (wanted + share * (allocation - wanted)))
                if h + 1 < memory.writeHeads { usage = usage + (1 - usage) * (gate * share * allocation) }
            }
            return .stacked(weights)
        }
        /// The product over the heads, [B, H, N] → [B, N], of factors that may be 0.
        private func product(_ factors: Variable) -> Variable {
            (1..<factors.shape[1]).reduce(factors.select(axis: 1, 0)) { $0 * factors.select(axis: 1, $1) }
        }
    }
}
extension Variable {
    /// Heads [B, N] side by side, [B, H, N].
    static func stacked(_ heads: [Variable]) -> Variable {
        heads.count == 1 ? heads[0].unsqueezed(axis: 1) : concatenate(heads.map { $0.unsqueezed(axis: 1) }, axis: 1)
    }
}

extension Addressing.Allocation {
    public struct Configuration: MemoryAddressingConfiguration {
        public static let type = "allocation"
        public static let summary = "the differentiable neural computer's for writing: free rows, or rows by content"
        /// Whether a learned mask chooses the elements that are compared (Csordás & Schmidhuber 2019).
        public var masked = false
        /// Whether rows that were freed are cleared (Csordás & Schmidhuber 2019).
        public var deallocates = false
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ scope: MemoryStrategies.AddressingScope) {
            masked = reader.bool("masked", default: masked)
            deallocates = reader.bool("deallocates", default: deallocates)
            if scope.role == .read { reader.addIssue("type", "'allocation' addresses write heads; these are read heads") }
        }
        public func make(_ parameters: ParameterBuilder, _ memory: MemoryDimensions, _ role: MemoryDimensions.Role)
            -> any MemoryAddressing
        {
            Addressing.Allocation(memory, masked: masked, deallocates: deallocates)
        }
    }
}
