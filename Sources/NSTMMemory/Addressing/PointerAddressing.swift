import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

extension Addressing {
    /// Heads that move over the rows by a choice among moves, each a distribution over N + 1 positions of which the first, rest, is in
    /// front of the first row.
    ///
    ///     write heads: stay, forward;   read heads: stay, forward, back, home (to rest), follow (to the write head)
    ///
    /// The pointers of `PointerRouting`, over the rows of a memory. Write heads multiply the weights by a gate σ(g + 3). Read head h
    /// follows write head h, modulo their number; a read head that follows is at rest as far as the write head is.
    public final class Pointer: MemoryAddressing {
        private let memory: MemoryDimensions
        private let role: MemoryDimensions.Role
        private static func name(_ role: MemoryDimensions.Role) -> String { "\(role)Pointer" }

        public init(_ memory: MemoryDimensions, _ role: MemoryDimensions.Role) {
            self.memory = memory
            self.role = role
        }
        private var heads: Int { memory.heads(role) }
        private var moves: Int { role == .write ? 2 : 5 }
        public var interfaceWidth: Int { heads * (moves + (role == .write ? 1 : 0)) }
        public var multiplyAdds: Int? { 0 }
        public var carriedCount: Int { heads * (memory.rows + 1) }

        public func begin(batch: Int, _ state: inout MemoryState, _ context: ForwardContext) {
            let rest = Tensor.oneHot(Tensor([Int32(0)]), classes: memory.rows + 1, dtype: state.rows.dtype)
            state[Self.name(role)] = context.constant(
                rest.unsqueezed(axis: 0).broadcast(to: [batch, heads, memory.rows + 1]).contiguous())
        }
        public func weights(_ interface: inout MemoryInterface, _ state: inout MemoryState, _ context: ForwardContext) -> Variable
        {
            let positions = memory.rows + 1, last = state[Self.name(role)]!, batch = last.shape[0]
            let logits = interface.take(heads: heads, moves),
                forward = context.constant(.zeros([batch, heads, 1], dtype: last.dtype))
            // Moving forward is preferred at first, as in `PointerRouting`.
            let preference = context.constant(Tensor((0..<moves).map { $0 == 1 ? 1.0 : 0 }).cast(to: last.dtype))
            let shares = (logits + preference).softmax()
            func share(_ i: Int) -> Variable { shares.slice(axis: 2, i..<i + 1) }
            func part(_ range: Range<Int>) -> Variable { last.slice(axis: 2, range) }
            var next = share(0) * last + share(1) * .concatenate([forward, part(0..<positions - 1)], axis: 2)
            if role == .read {
                // Rest stays rest.
                let back = Variable.concatenate([part(0..<1) + part(1..<2), part(2..<positions), forward], axis: 2)
                let rest = context.constant(Tensor.oneHot(Tensor([Int32(0)]), classes: positions, dtype: last.dtype))
                next = next + share(2) * back + share(3) * rest + share(4) * followed(state, context)
            }
            state[Self.name(role)] = next
            let rows = next.slice(axis: 2, 1..<positions)
            return role == .read ? rows : rows * interface.take(heads: heads, 1).affine(1, 3).sigmoid()
        }
        /// Positions of the write heads, one for each read head: those of their pointers, else their weights.
        private func followed(_ state: MemoryState, _ context: ForwardContext) -> Variable {
            let writes: Variable
            if let pointer = state[Self.name(.write)] {
                writes = pointer
            } else {
                let w = state.writeWeights
                writes = .concatenate([1 - w.sum(axes: [2], keepDims: true), w], axis: 2)
            }
            if memory.writeHeads == heads { return writes }
            return .concatenate(
                (0..<heads).map { h in
                    let i = h % memory.writeHeads
                    return writes.slice(axis: 1, i..<i + 1)
                }, axis: 1)
        }
    }
}

extension Addressing.Pointer {
    public struct Configuration: MemoryAddressingConfiguration {
        public static let type = "pointer"
        public static let summary = "heads that move over the rows: stay, forward, back, home, follow"
        public init() {}
        public func make(_ parameters: ParameterBuilder, _ memory: MemoryDimensions, _ role: MemoryDimensions.Role)
            -> any MemoryAddressing
        {
            Addressing.Pointer(memory, role)
        }
    }
}
