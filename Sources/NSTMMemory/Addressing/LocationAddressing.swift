import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

extension Addressing {
    /// The addressing of the neural Turing machine: by content, or from where the head was, moved by a learned shift and sharpened.
    ///
    ///     wᶜ = softmax(β cos(k, M));  wᵍ = g wᶜ + (1 − g) w⁻;  w̃ = wᵍ ∗ s (circular);  w = w̃^γ / Σ w̃^γ
    ///
    /// β = 1 + softplus, g = σ, s = softmax over the offsets −r … r, γ = 1 + softplus. Graves, Wayne & Danihelka 2014, "Neural Turing
    /// machines", equations 5 to 9. All heads start at row 0.
    public final class Location: MemoryAddressing {
        private let keys: ContentKeys
        private let role: MemoryDimensions.Role
        /// r, the largest number of rows that a head moves in a step.
        public let reach: Int

        public init(_ memory: MemoryDimensions, _ role: MemoryDimensions.Role, reach: Int = 1) {
            keys = ContentKeys(memory, role)
            self.role = role
            self.reach = reach
        }
        private var offsets: Int { 2 * reach + 1 }
        public var interfaceWidth: Int { keys.interfaceWidth + keys.heads * (offsets + 2) }
        public var multiplyAdds: Int? { keys.multiplyAdds + keys.heads * keys.memory.rows * offsets }

        public func weights(_ interface: inout MemoryInterface, _ state: inout MemoryState, _ context: ForwardContext) -> Variable
        {
            let content = keys.weights(&interface, state.rows), heads = keys.heads, last = state.weights(role)
            let gate = interface.take(heads: heads, 1).sigmoid(), shift = interface.take(heads: heads, offsets).softmax()
            let exponent = interface.take(heads).softplus().affine(1, 1)
            return (last + gate * (content - last)).circularShift(shift).sharpened(exponent)
        }
    }
}

extension Addressing.Location {
    public struct Configuration: MemoryAddressingConfiguration {
        public static let type = "location"
        public static let summary = "the neural Turing machine's: content, interpolation, circular shift, sharpening"
        /// Largest number of rows that a head moves in a step.
        public var reach = 1
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ scope: MemoryStrategies.AddressingScope) {
            reach = reader.int("reach", default: reach, in: 1...64)
            if 2 * reach >= scope.memory.rows {
                reader.addIssue("reach", "\(reach) rows in each direction need more than \(scope.memory.rows) rows")
            }
        }
        public func make(_ parameters: ParameterBuilder, _ memory: MemoryDimensions, _ role: MemoryDimensions.Role)
            -> any MemoryAddressing
        {
            Addressing.Location(memory, role, reach: reach)
        }
    }
}
