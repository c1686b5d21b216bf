import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// Key, strength and mask of a head, by which rows are compared.
struct ContentKeys {
    let memory: MemoryDimensions
    let heads: Int
    /// Whether the elements of keys and rows are multiplied by a learned mask before they are compared.
    let isMasked: Bool
    /// Number of rows of the highest similarity that get a weight; nil: all.
    let topK: Int?

    init(_ memory: MemoryDimensions, _ role: MemoryDimensions.Role, masked: Bool = false, topK: Int? = nil) {
        (self.memory, heads, isMasked, self.topK) = (memory, memory.heads(role), masked, topK)
    }
    var interfaceWidth: Int { heads * (memory.width + 1 + (isMasked ? memory.width : 0)) }
    /// The key is compared with each row, of which the norm is computed once, or for each head with a mask.
    var multiplyAdds: Int { (heads + (isMasked ? heads : 1)) * (memory.rows + 1) * memory.width }

    /// softmax(β cos(k, M)), [B, H, N].
    func weights(_ interface: inout MemoryInterface, _ rows: Variable) -> Variable {
        let key = interface.take(heads: heads, memory.width), strength = interface.take(heads: heads, 1).softplus().affine(1, 1)
        let mask = isMasked ? interface.take(heads: heads, memory.width).sigmoid() : nil
        let scores = key.cosineSimilarity(to: rows, mask: mask) * strength
        guard let topK, topK < memory.rows else { return scores.softmax() }
        let best = scores.topK(topK)
        let zeros = Variable(Tensor.zeros(scores.shape, dtype: scores.dtype))
        return zeros.scatter(axis: 2, best.indices, best.values.softmax())
    }
}

extension Addressing {
    /// Content addressing: weights by the cosine of a key and each row, w = softmax(β cos(k, M)), β = 1 + softplus.
    ///
    /// Graves, Wayne & Danihelka 2014, "Neural Turing machines", equations 5 and 6. Write heads multiply the weights by a gate σ(g), so
    /// that they may write nothing.
    public final class Content: MemoryAddressing {
        private let keys: ContentKeys
        private let role: MemoryDimensions.Role

        public init(_ memory: MemoryDimensions, _ role: MemoryDimensions.Role, masked: Bool = false, topK: Int? = nil) {
            keys = ContentKeys(memory, role, masked: masked, topK: topK)
            self.role = role
        }
        public var interfaceWidth: Int { keys.interfaceWidth + (role == .write ? keys.heads : 0) }
        public var multiplyAdds: Int? { keys.multiplyAdds }
        public func weights(_ interface: inout MemoryInterface, _ state: inout MemoryState, _ context: ForwardContext) -> Variable
        {
            let w = keys.weights(&interface, state.rows)
            return role == .read ? w : w * interface.take(heads: keys.heads, 1).sigmoid()
        }
    }
}

extension Addressing.Content {
    public struct Configuration: MemoryAddressingConfiguration {
        public static let type = "content"
        public static let summary = "rows whose content is similar to a key"
        /// Whether a learned mask chooses the elements that are compared (Csordás & Schmidhuber 2019).
        public var masked = false
        /// Number of rows of the highest similarity that get a weight; nil: all.
        public var topK: Int?
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ scope: MemoryStrategies.AddressingScope) {
            masked = reader.bool("masked", default: masked)
            topK = reader.optionalInt("top-k", default: topK, in: 1...max(1, scope.memory.rows))
        }
        public func make(_ parameters: ParameterBuilder, _ memory: MemoryDimensions, _ role: MemoryDimensions.Role)
            -> any MemoryAddressing
        {
            Addressing.Content(memory, role, masked: masked, topK: topK)
        }
    }
}
