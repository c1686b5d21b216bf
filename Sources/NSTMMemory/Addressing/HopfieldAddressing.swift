import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

extension Addressing {
    /// The retrieval of a modern Hopfield network: attention to the rows, of which the result is the key of the next iteration.
    ///
    ///     ξ ← softmax(β M ξ) M, repeated;   w = softmax(β M ξ)
    ///
    /// Ramsauer et al. 2021, "Hopfield networks is all you need", equation 3, with β = exp(b)/√W learned per head. With one step it is
    /// dot-product attention. Write heads multiply the weights by a gate σ(g).
    public final class Hopfield: MemoryAddressing {
        private let memory: MemoryDimensions
        private let role: MemoryDimensions.Role
        private let logStrength: Parameter
        /// Number of attention steps.
        public let steps: Int

        public init(_ parameters: ParameterBuilder, _ memory: MemoryDimensions, _ role: MemoryDimensions.Role, steps: Int = 1) {
            self.memory = memory
            self.role = role
            self.steps = steps
            logStrength = parameters("logStrength", [memory.heads(role), 1], .zeros, decays: false)
        }
        private var heads: Int { memory.heads(role) }
        public var interfaceWidth: Int { heads * (memory.width + (role == .write ? 1 : 0)) }
        public var multiplyAdds: Int? { (2 * steps - 1) * heads * memory.rows * memory.width }

        public func weights(_ interface: inout MemoryInterface, _ state: inout MemoryState, _ context: ForwardContext) -> Variable
        {
            let strength = context[logStrength].exp() * (1 / Double(memory.width).squareRoot())
            var key = interface.take(heads: heads, memory.width)
            for step in 1... {
                let w = (key.matmul(state.rows, transposeOther: true) * strength).softmax()
                if step == steps { return role == .read ? w : w * interface.take(heads: heads, 1).sigmoid() }
                key = w.matmul(state.rows)
            }
            fatalError("unreachable")
        }
    }
}

extension Addressing.Hopfield {
    public struct Configuration: MemoryAddressingConfiguration {
        public static let type = "hopfield"
        public static let summary = "attention to the rows, repeated as in a modern Hopfield network"
        /// Number of attention steps.
        public var steps = 1
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ scope: MemoryStrategies.AddressingScope) {
            steps = reader.int("steps", default: steps, in: 1...64)
        }
        public func make(_ parameters: ParameterBuilder, _ memory: MemoryDimensions, _ role: MemoryDimensions.Role)
            -> any MemoryAddressing
        {
            Addressing.Hopfield(parameters, memory, role, steps: steps)
        }
    }
}
