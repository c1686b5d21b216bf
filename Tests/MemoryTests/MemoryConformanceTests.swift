import NSTMConfiguration
import NSTMAutograd
import NSTMLayers
import NSTMMemory
import NSTMModules
import NSTMTesting
import Testing

/// The invariants of the conformance kit for every memory and addressing.
@Suite struct MemoryConformanceTests {
    private static let memories: [(String, ConfigurationValue.Map)] = [
        ("location", ["write": ["type": "location"], "read": ["type": "location"]]),
        ("location, two heads", ["write-heads": 2, "read-heads": 3]),
        ("location, reach 2", ["write": ["type": "location", "reach": 2]]),
        ("content", ["write": ["type": "content"], "read": ["type": "content"]]),
        ("content, masked", ["write": ["type": "content", "masked": true], "read": ["type": "content", "masked": true]]),
        ("content, top-k", ["read": ["type": "content", "top-k": 2]]),
        ("keys and values", ["value-width": 4, "write": ["type": "content"], "read": ["type": "content"]]),
        ("DNC", ["read-heads": 2, "write": ["type": "allocation"], "read": ["type": "temporal"]]),
        ("DNC, two write heads", ["write-heads": 2, "write": ["type": "allocation"], "read": ["type": "temporal"]]),
        (
            "DNC, repaired",
            [
                "read-heads": 2, "write": ["type": "allocation", "masked": true, "deallocates": true],
                "read": ["type": "temporal", "masked": true, "sharpens-links": true],
            ]
        ),
        ("least recently used", ["write": ["type": "least-recently-used"], "read": ["type": "content", "top-k": 3]]),
        ("Hopfield", ["write": ["type": "hopfield"], "read": ["type": "hopfield", "steps": 3], "value-width": 2]),
        ("pointers", ["write": ["type": "pointer"], "read": ["type": "pointer"]]),
        ("pointers and locations", ["write": ["type": "location"], "read": ["type": "pointer"], "read-heads": 2]),
    ]
    private static let sizes: ConfigurationValue.Map = ["rows": 5, "width": 3]

    @Test(arguments: memories.map(\.0)) func addressed(_ name: String) throws {
        var settings = Self.sizes
        for (key, value) in Self.memories.first(where: { $0.0 == name })!.1.pairs { settings[key] = value }
        let report = try Conformance.check(memory: "addressed", in: .standard, settings: settings, .init(tokens: 20_000))
        #expect(report.passed, "\(report)")
    }
    @Test func sparse() throws {
        let report = try Conformance.check(
            memory: "sparse", in: .standard, settings: ["rows": 12, "width": 3, "read-heads": 2, "top-k": 2],
            .init(tokens: 20_000))
        #expect(report.passed, "\(report)")
    }
    @Test func delta() throws {
        let report = try Conformance.check(
            memory: "delta", in: .standard, settings: ["heads": 2, "width": 3], .init(tokens: 20_000))
        #expect(report.passed, "\(report)")
    }
    /// The stated size of the state is that of the cache, for every memory.
    @Test(arguments: memories.map(\.0)) func stateBytes(_ name: String) throws {
        var settings = Self.sizes
        for (key, value) in Self.memories.first(where: { $0.0 == name })!.1.pairs { settings[key] = value }
        try expectStateBytes("addressed", settings)
    }
    @Test func stateBytesOfOthers() throws {
        try expectStateBytes("sparse", ["rows": 12, "width": 3, "read-heads": 2, "top-k": 2])
        try expectStateBytes("delta", ["heads": 2, "width": 3])
    }
    private func expectStateBytes(_ name: String, _ settings: ConfigurationValue.Map) throws {
        let strategies = MemoryStrategies.standard, reader = ConfigurationReader(.map(settings))
        let memory = strategies.memories.reading(try strategies.memories.value(name), reader, strategies)
        let mixer = MemoryMixer(ParameterBuilder(seed: 1), width: 4, memory: memory.make(ParameterBuilder(seed: 1))) {
            MemoryMixer.LSTMController($0, inputs: $1, reads: $2, width: 5)
        }
        let state = mixer.initialState(batch: 3, ForwardContext(.evaluate))
        #expect(mixer.stateBytes(PassSize(batch: 3, tokens: 1, carriesState: true)) == state.byteCount)
    }
}
