import NSTMAutograd
import NSTMLayers
import NSTMMemory
import NSTMModules
import NSTMTensor
import NSTMTesting
import Testing

/// Compositions that only Swift has: an `NSTMLayer` as the controller, and an addressing of one's own.
@Suite struct CompositionTests {
    /// The example of Documentation/Memory.md.
    private final class RoundRobin: MemoryAddressing {
        let memory: MemoryDimensions
        init(_ memory: MemoryDimensions) { self.memory = memory }
        var interfaceWidth: Int { 0 }
        func weights(_ interface: inout MemoryInterface, _ state: inout MemoryState, _ context: ForwardContext) -> Variable {
            context.constant(state.writeWeights.value.rolled([1], axes: [2]))
        }
    }
    private struct RoundRobinConfiguration: MemoryAddressingConfiguration {
        static let type = "round-robin"
        static let summary = "one row after the other"
        func make(_ parameters: ParameterBuilder, _ memory: MemoryDimensions, _ role: MemoryDimensions.Role)
            -> any MemoryAddressing
        {
            RoundRobin(memory)
        }
    }
    private static func memory(_ parameters: ParameterBuilder, write: any MemoryAddressingConfiguration) -> AddressedMemory {
        AddressedMemory(
            parameters, MemoryDimensions(rows: 5, width: 3), write: write, read: Addressing.Content.Configuration())
    }

    @Test func addressingOfOnesOwn() {
        let report = Conformance.check(
            memory: { Self.memory($0, write: RoundRobinConfiguration()) }, .init(tokens: 5_000, excluding: [.costs]))
        #expect(report.passed, "\(report)")
    }
    @Test func statesAsController() {
        let report = Conformance.check(
            layer: { parameters, dimensions in
                let memory = Self.memory(parameters.child("memory"), write: Addressing.Location.Configuration())
                return MemoryMixer(parameters, width: dimensions.width, memory: memory) { controller, inputs, reads in
                    let parts = NSTMLayer.Parts(
                        routing: { TopKRouting($0, width: dimensions.width, states: dimensions.states, k: 2) },
                        update: { GatedSlotsRule($0, width: dimensions.width, states: dimensions.states) })
                    let layer = NSTMLayer(
                        controller.child("layer"), width: dimensions.width, heads: dimensions.heads, states: dimensions.states,
                        parts: parts)
                    return MemoryMixer.MixerController(
                        controller, inputs: inputs, reads: reads, width: dimensions.width, mixer: layer)
                }
            }, .init(tokens: 5_000, excluding: [.costs]))
        #expect(report.passed, "\(report)")
    }
}
