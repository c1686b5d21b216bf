import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

extension MemoryMixer {
    /// A controller that is one layer of LSTM cells (Hochreiter & Schmidhuber 1997, with forget gates) on the input and the last reads.
    ///
    /// Its weights start as PyTorch's, U(±1/√width), with a forget bias of 1 (Jozefowicz et al. 2015).
    public final class LSTMController: MemoryController {
        public let width: Int
        private let input: Linear
        private let reads: Linear
        private let recurrent: Parameter

        public init(_ parameters: ParameterBuilder, inputs: Int, reads readWidth: Int, width: Int) {
            self.width = width
            let uniform = Initializer.uniform(bound: 1 / Double(max(1, width)).squareRoot())
            let bias = Initializer.values(
                Tensor((0..<4 * width).map { width <= $0 && $0 < 2 * width ? 1.0 : 0 }, [4 * width]))
            input = Linear(parameters.child("input"), in: inputs, out: 4 * width, initializer: uniform, biasInitializer: bias)
            reads = Linear(parameters.child("reads"), in: readWidth, out: 4 * width, bias: false, initializer: uniform)
            recurrent = parameters.child("recurrent")("weight", [4 * width, width], uniform)
        }
        public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
            var s = MixerCache()
            for name in ["hidden", "cell"] {
                s[name] = context.constant(.zeros([batch, width], dtype: recurrent.value.dtype))
            }
            return s
        }
        public func prepare(_ x: Variable, _ context: ForwardContext) -> Variable { input(x, context) }
        public func step(_ token: Variable, reads read: Variable, _ state: inout MixerCache, _ context: ForwardContext)
            -> Variable
        {
            let scan = (token + reads(read, context)).unsqueezed(axis: 1).lstmScan(
                recurrent: context[recurrent], hidden: state["hidden"], cell: state["cell"])
            state["hidden"] = scan.hidden
            state["cell"] = scan.cell
            return scan.hidden
        }
        public var stateCount: Int? { 2 * width }
        public func multiplyAdds(_ pass: PassSize) -> Int? {
            pass.rows * (input.weight.value.count + reads.weight.value.count + recurrent.value.count + 2 * width)
        }
    }
}

extension MemoryMixer.LSTMController {
    public struct Configuration: MemoryControllerConfiguration {
        public static let type = "lstm"
        public static let summary = "one layer of LSTM cells"
        /// Number of cells.
        public var width = 100
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ scope: Void) {
            width = reader.int("width", default: width, in: 1...65_536)
        }
        public func make(_ parameters: ParameterBuilder, inputs: Int, reads: Int) -> any MemoryController {
            MemoryMixer.LSTMController(parameters, inputs: inputs, reads: reads, width: width)
        }
    }
}
