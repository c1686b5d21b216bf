import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// A memory of N rows that write heads and read heads address.
///
/// A step, with weights w of the write heads, then r of the read heads:
///
///     M ← M ∘ ψ ∘ Πₕ(1 − wₕ eₕᵀ) + Σₕ wₕ aₕᵀ;   rows read: rₕ M
///
/// e = σ are the erase vectors, a the add vectors, ψ the retention that an addressing may set. With a value width V, rows are pairs of
/// a key, which addressing compares, and a value [V], which is read; both are written with the same weights, so that the values do not
/// disturb the comparison.
///
/// The neural Turing machine and the differentiable neural computer are compositions: `location` for all heads, or `allocation` for
/// writing and `temporal` for reading. Rows start at 10⁻⁶ and all heads at row 0, so that no parameter depends on N.
public final class AddressedMemory: ExternalMemory {
    public let dimensions: MemoryDimensions
    /// V; nil: what is read are the rows that are compared.
    public let valueWidth: Int?
    public let write: any MemoryAddressing
    public let read: any MemoryAddressing
    private let type: DType

    public init(
        _ parameters: ParameterBuilder, _ dimensions: MemoryDimensions, write: any MemoryAddressingConfiguration,
        read: any MemoryAddressingConfiguration, valueWidth: Int? = nil
    ) {
        self.dimensions = dimensions
        self.valueWidth = valueWidth
        type = parameters.dtype
        self.write = write.make(parameters.child("write"), dimensions, .write)
        self.read = read.make(parameters.child("read"), dimensions, .read)
    }
    private var writeWidth: Int { dimensions.writeHeads * 2 * (dimensions.width + (valueWidth ?? 0)) }
    public var interfaceWidth: Int { write.interfaceWidth + writeWidth + read.interfaceWidth }
    public var readWidth: Int { dimensions.readHeads * (valueWidth ?? dimensions.width) }
    public var multiplyAdds: Int? {
        guard let write = write.multiplyAdds, let read = read.multiplyAdds else { return nil }
        return write + read + dimensions.rows * (writeWidth / 2 * 3 + readWidth)
    }

    public var stateCount: Int? {
        let heads = dimensions.writeHeads + dimensions.readHeads, row = dimensions.width + (valueWidth ?? 0) + heads
        return dimensions.rows * row + write.carriedCount + read.carriedCount
    }

    public func initialState(batch: Int, _ context: ForwardContext) -> MemoryState {
        func rows(_ width: Int) -> Variable {
            context.constant(Tensor(repeating: 1e-6, [batch, dimensions.rows, width], dtype: type))
        }
        func weights(_ heads: Int) -> Variable {
            let first = Tensor.oneHot(Tensor([Int32(0)]), classes: dimensions.rows, dtype: type)
            return context.constant(
                first.unsqueezed(axis: 0).broadcast(to: [batch, heads, dimensions.rows]).contiguous())
        }
        var state = MemoryState()
        state.rows = rows(dimensions.width)
        if let valueWidth { state["values"] = rows(valueWidth) }
        state.writeWeights = weights(dimensions.writeHeads)
        state.readWeights = weights(dimensions.readHeads)
        write.begin(batch: batch, &state, context)
        read.begin(batch: batch, &state, context)
        return state
    }
    public func step(_ vector: Variable, _ state: inout MemoryState, _ context: ForwardContext) -> Variable {
        var interface = MemoryInterface(vector)
        let heads = dimensions.writeHeads
        state.retention = nil
        let w = write.weights(&interface, &state, context)
        func written(_ rows: Variable) -> Variable {
            let width = rows.shape[2], erase = interface.take(heads: heads, width).sigmoid()
            return rows.erasedAndAdded(
                weights: w, erase: erase, add: interface.take(heads: heads, width), retention: state.retention)
        }
        state.rows = written(state.rows)
        if let values = state["values"] { state["values"] = written(values) }
        state.writeWeights = w
        let r = read.weights(&interface, &state, context)
        state.readWeights = r
        return r.matmul(state["values"] ?? state.rows).reshaped([vector.shape[0], readWidth])
    }
}

extension AddressedMemory {
    public struct Configuration: ExternalMemoryConfiguration {
        public static let type = "addressed"
        public static let summary = "rows that write heads and read heads address"
        public var dimensions = MemoryDimensions()
        /// Number of elements of a value; nil: rows are compared and read as a whole.
        public var valueWidth: Int?
        /// The addressing of the write heads.
        public var write: any MemoryAddressingConfiguration = Addressing.Location.Configuration()
        /// The addressing of the read heads.
        public var read: any MemoryAddressingConfiguration = Addressing.Location.Configuration()
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: MemoryStrategies) {
            dimensions.rows = reader.int("rows", default: dimensions.rows, in: 1...1_048_576)
            dimensions.width = reader.int("width", default: dimensions.width, in: 1...65_536)
            dimensions.writeHeads = reader.int("write-heads", default: dimensions.writeHeads, in: 1...256)
            dimensions.readHeads = reader.int("read-heads", default: dimensions.readHeads, in: 1...256)
            for (key, heads) in [("write-heads", dimensions.writeHeads), ("read-heads", dimensions.readHeads)]
            where heads > dimensions.rows {
                reader.addIssue(key, "\(heads) heads need at least as many rows, not \(dimensions.rows)")
            }
            valueWidth = reader.optionalInt("value-width", default: valueWidth, in: 1...65_536)
            write = reader.child("write").value(
                in: strategies.addressings, default: write, MemoryStrategies.AddressingScope(dimensions, .write))
            read = reader.child("read").value(
                in: strategies.addressings, default: read, MemoryStrategies.AddressingScope(dimensions, .read))
        }
        public func make(_ parameters: ParameterBuilder) -> any ExternalMemory {
            AddressedMemory(parameters, dimensions, write: write, read: read, valueWidth: valueWidth)
        }
    }
}
