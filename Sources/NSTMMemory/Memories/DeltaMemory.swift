import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// A matrix for each head that associates keys with values and corrects what it recalls, by the delta rule.
///
///     S ← S + β (v − S k) kᵀ,   β = σ, ‖k‖ = 1;   read: S q
///
/// Widrow & Hoff 1960; as a fast weight memory: Schlag, Irie & Schmidhuber 2021, "Linear transformers are secretly fast weight
/// programmers", equation 24.
public final class DeltaMemory: ExternalMemory {
    /// Number of matrices.
    public let heads: Int
    /// Number of elements of keys and values.
    public let width: Int
    private let type: DType

    public init(_ parameters: ParameterBuilder, heads: Int = 1, width: Int = 32) {
        self.heads = heads
        self.width = width
        type = parameters.dtype
    }
    public var interfaceWidth: Int { heads * (3 * width + 1) }
    public var readWidth: Int { heads * width }

    public var stateCount: Int? { heads * width * width }

    public func initialState(batch: Int, _ context: ForwardContext) -> MemoryState {
        var state = MemoryState()
        state["matrix"] = context.constant(.zeros([batch, heads, width, width], dtype: type))
        return state
    }
    public func step(_ vector: Variable, _ state: inout MemoryState, _ context: ForwardContext) -> Variable {
        var interface = MemoryInterface(vector)
        let batch = vector.shape[0], rows = [batch, 1, heads * width]
        let query = interface.take(heads: heads, width).l2Normalized().reshaped(rows)
        let key = interface.take(heads: heads, width).l2Normalized().reshaped(rows)
        let value = interface.take(heads * width).reshaped(rows)
        let rate = interface.take(heads).sigmoid().reshaped([batch, 1, heads])
        let scan = query.matrixStateScan(key: key, value: value, beta: rate, state: state["matrix"], heads: heads)
        state["matrix"] = scan.state
        return scan.output.reshaped([batch, readWidth])
    }
}

extension DeltaMemory {
    public struct Configuration: ExternalMemoryConfiguration {
        public static let type = "delta"
        public static let summary = "matrices of key-value associations, corrected by the delta rule"
        /// Number of matrices.
        public var heads = 1
        /// Number of elements of keys and values.
        public var width = 32
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: MemoryStrategies) {
            heads = reader.int("heads", default: heads, in: 1...256)
            width = reader.int("width", default: width, in: 1...4096)
        }
        public func make(_ parameters: ParameterBuilder) -> any ExternalMemory {
            DeltaMemory(parameters, heads: heads, width: width)
        }
    }
}
