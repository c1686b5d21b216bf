import NSTMAutograd
import NSTMModules
import NSTMTensor

extension MemoryMixer {
    /// A controller that is any causal layer, stepped token by token: an `NSTMLayer`, whose states then drive the memory, or a layer of a
    /// baseline.
    public final class MixerController: MemoryController {
        public let width: Int
        private let input: Linear
        private let reads: Linear
        /// The layer.
        public let mixer: any SequenceMixer

        /// - Parameter width: width of the layer.
        public init(_ parameters: ParameterBuilder, inputs: Int, reads readWidth: Int, width: Int, mixer: any SequenceMixer) {
            self.width = width
            self.mixer = mixer
            input = Linear(parameters.child("input"), in: inputs, out: width)
            reads = Linear(parameters.child("reads"), in: readWidth, out: width, bias: false)
        }
        public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
            mixer.initialState(batch: batch, context)
        }
        public func prepare(_ x: Variable, _ context: ForwardContext) -> Variable { input(x, context) }
        public func step(_ token: Variable, reads read: Variable, _ state: inout MixerCache, _ context: ForwardContext)
            -> Variable
        {
            var cache: MixerCache? = state
            let y = mixer((token + reads(read, context)).unsqueezed(axis: 1), &cache, context)
            state = cache!
            return y.select(axis: 1, 0)
        }
    }
}
