import NSTMAutograd
import NSTMConfiguration
import NSTMModules
import NSTMTensor

extension MemoryMixer {
    /// A controller without a state of its own: h = tanh(W x + R r + b), so that everything carried is in the memory.
    public final class FeedForwardController: MemoryController {
        public let width: Int
        private let input: Linear
        private let reads: Linear

        public init(_ parameters: ParameterBuilder, inputs: Int, reads readWidth: Int, width: Int) {
            self.width = width
            input = Linear(parameters.child("input"), in: inputs, out: width)
            reads = Linear(parameters.child("reads"), in: readWidth, out: width, bias: false)
        }
        public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache { MixerCache() }
        public func prepare(_ x: Variable, _ context: ForwardContext) -> Variable { input(x, context) }
        public func step(_ token: Variable, reads read: Variable, _ state: inout MixerCache, _ context: ForwardContext)
            -> Variable
        {
            (token + reads(read, context)).tanh()
        }
        public var stateCount: Int? { 0 }
        public func multiplyAdds(_ pass: PassSize) -> Int? { pass.rows * (input.weight.value.count + reads.weight.value.count) }
    }
}

extension MemoryMixer.FeedForwardController {
    public struct Configuration: MemoryControllerConfiguration {
        public static let type = "feed-forward"
        public static let summary = "one layer of tanh units, without a state"
        /// Number of units.
        public var width = 100
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ scope: Void) {
            width = reader.int("width", default: width, in: 1...65_536)
        }
        public func make(_ parameters: ParameterBuilder, inputs: Int, reads: Int) -> any MemoryController {
            MemoryMixer.FeedForwardController(parameters, inputs: inputs, reads: reads, width: width)
        }
    }
}
