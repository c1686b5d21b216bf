import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

extension Addressing {
    /// The read addressing of the differentiable neural computer: rows by content, or the rows that were written before or after the
    /// one read last.
    ///
    ///     r = π₀ Lᵀ r⁻ + π₁ wᶜ + π₂ L r⁻;   p ← (1 − Σ w) p + w
    ///
    /// with temporal links L (`Variable.temporalLinks`), the precedence p, and modes π = softmax: backward, content, forward. Graves et
    /// al. 2016, section "Temporal memory linkage" of the methods. With several write heads there are links for each, and modes
    /// backward and forward for each.
    ///
    /// With `sharpensLinks`, the distributions Lᵀ r⁻ and L r⁻ are raised to an exponent 1 + softplus and normalized (Csordás &
    /// Schmidhuber 2019, section 3.3).
    public final class Temporal: MemoryAddressing {
        private let keys: ContentKeys
        private let memory: MemoryDimensions
        /// Whether the distributions along the links are sharpened.
        public let sharpensLinks: Bool

        public init(_ memory: MemoryDimensions, masked: Bool = false, sharpensLinks: Bool = false) {
            keys = ContentKeys(memory, .read, masked: masked)
            self.memory = memory
            self.sharpensLinks = sharpensLinks
        }
        private var directions: Int { 2 * memory.writeHeads }
        public var interfaceWidth: Int {
            keys.interfaceWidth + memory.readHeads * (directions + 1 + (sharpensLinks ? directions : 0))
        }
        public var multiplyAdds: Int? {
            keys.multiplyAdds + memory.writeHeads * 2 * memory.rows * memory.rows * (1 + memory.readHeads)
        }

        public var carriedCount: Int { memory.writeHeads * memory.rows * (memory.rows + 1) }

        public func begin(batch: Int, _ state: inout MemoryState, _ context: ForwardContext) {
            let type = state.rows.dtype
            for h in 0..<memory.writeHeads {
                state["links.\(h)"] = context.constant(.zeros([batch, memory.rows, memory.rows], dtype: type))
                state["precedence.\(h)"] = context.constant(.zeros([batch, memory.rows], dtype: type))
            }
        }
        public func weights(_ interface: inout MemoryInterface, _ state: inout MemoryState, _ context: ForwardContext) -> Variable
        {
            let content = keys.weights(&interface, state.rows), heads = memory.readHeads, last = state.readWeights
            let modes = interface.take(heads: heads, directions + 1).softmax()
            let exponents = sharpensLinks ? interface.take(heads: heads, directions).softplus().affine(1, 1) : nil
            func share(_ i: Int) -> Variable { modes.slice(axis: 2, i..<i + 1) }
            func sharpened(_ x: Variable, _ i: Int) -> Variable { exponents.map { x.sharpened($0.select(axis: 2, i)) } ?? x }
            var sum = share(memory.writeHeads) * content
            for h in 0..<memory.writeHeads {
                let w = state.writeWeights.select(axis: 1, h), precedence = state["precedence.\(h)"]!
                let links = state["links.\(h)"]!.temporalLinks(weights: w, precedence: precedence)
                state["links.\(h)"] = links
                state["precedence.\(h)"] = precedence * (1 - w.sum(axes: [1], keepDims: true)) + w
                let backward = sharpened(last.matmul(links), h)
                let forward = sharpened(last.matmul(links, transposeOther: true), memory.writeHeads + h)
                sum = sum + share(h) * backward + share(memory.writeHeads + 1 + h) * forward
            }
            return sum
        }
    }
}

extension Addressing.Temporal {
    public struct Configuration: MemoryAddressingConfiguration {
        public static let type = "temporal"
        public static let summary = "the differentiable neural computer's for reading: content, or the order of writing"
        /// Whether a learned mask chooses the elements that are compared (Csordás & Schmidhuber 2019).
        public var masked = false
        /// Whether the distributions along the links are sharpened (Csordás & Schmidhuber 2019).
        public var sharpensLinks = false
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ scope: MemoryStrategies.AddressingScope) {
            masked = reader.bool("masked", default: masked)
            sharpensLinks = reader.bool("sharpens-links", default: sharpensLinks)
            if scope.role == .write { reader.addIssue("type", "'temporal' addresses read heads; these are write heads") }
        }
        public func make(_ parameters: ParameterBuilder, _ memory: MemoryDimensions, _ role: MemoryDimensions.Role)
            -> any MemoryAddressing
        {
            Addressing.Temporal(memory, masked: masked, sharpensLinks: sharpensLinks)
        }
    }
}
