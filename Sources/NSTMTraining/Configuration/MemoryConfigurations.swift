import NSTMConfiguration
import NSTMLayers
import NSTMMemory
import NSTMModules

extension MemoryNetwork {
    /// Settings of a controller with an external memory.
    public struct Configuration: SequenceModelConfiguration {
        public static let type = "memory-network"
        public static let summary = "a controller with an external memory of any kind"
        public var sizes = ModelSizes(layers: 1)
        /// The network that drives the memory.
        public var controller: any MemoryControllerConfiguration = MemoryMixer.LSTMController.Configuration()
        public var memory: any ExternalMemoryConfiguration = AddressedMemory.Configuration()
        /// Tokens of a segment that the backward pass computes again; nil: nothing is computed again.
        public var segment: Int?
        /// Tokens of a segment between which no gradient flows; nil: backpropagation through the whole sequence.
        public var truncation: Int?
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: Strategies) {
            sizes.read(reader)
            controller = reader.child("controller").value(in: strategies.memory.controllers, default: controller, ())
            memory = reader.child("memory").value(in: strategies.memory.memories, default: memory, strategies.memory)
            segment = reader.optionalInt("segment", default: segment, in: 1...1_000_000)
            truncation = reader.optionalInt("truncation", default: truncation, in: 1...1_000_000)
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel {
            MemoryNetwork(
                parameters, sizes.shape(input, output), memory: memory, controller: controller, segment: segment,
                truncation: truncation)
        }
    }

    /// Settings of a neural Turing machine.
    public struct NTMConfiguration: SequenceModelConfiguration {
        public static let type = "ntm"
        public static let summary = "a neural Turing machine"
        public var network = Configuration()
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: Strategies) { network.read(reader, strategies) }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel {
            network.make(parameters, input, output)
        }
    }

    /// Settings of a differentiable neural computer.
    public struct DNCConfiguration: SequenceModelConfiguration {
        public static let type = "dnc"
        public static let summary = "a differentiable neural computer"
        public var network: Configuration
        public init() {
            var memory = AddressedMemory.Configuration()
            memory.write = Addressing.Allocation.Configuration()
            memory.read = Addressing.Temporal.Configuration()
            network = Configuration()
            network.memory = memory
        }
        public mutating func read(_ reader: ConfigurationReader, _ strategies: Strategies) { network.read(reader, strategies) }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel {
            network.make(parameters, input, output)
        }
    }
}
