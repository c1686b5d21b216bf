import NSTMConfiguration
import NSTMLayers
import NSTMMemory
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
}
