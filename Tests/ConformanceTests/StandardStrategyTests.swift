import NSTMConfiguration
import NSTMLayers
import NSTMModules
import NSTMTesting
import Testing

/// The kit on all registered strategies, so that new ones are covered.
@Suite struct StandardStrategyTests {
    /// Rules with a scan are checked with the full stream, which would take minutes token by token.
    private func options(_ name: String) -> Conformance.Options {
        let isStepwise = ["gru", "lstm", "slot-attention", "independent-mechanisms"].contains(name)
        return Conformance.Options(tokens: isStepwise ? 10_000 : 100_000)
    }
    @Test(arguments: Strategies.standard.updates.names) func updateRules(_ name: String) throws {
        let report = try Conformance.check(updateRule: name, in: .standard, options(name))
        #expect(report.passed, "\(report)")
    }
    @Test(arguments: Strategies.standard.routings.names) func routingPolicies(_ name: String) throws {
        let report = try Conformance.check(routing: name, in: .standard, Conformance.Options(tokens: 10_000))
        #expect(report.passed, "\(report)")
    }
    @Test func routingAgainstStates() throws {
        for settings: ConfigurationValue.Map in [["interval": 4], ["interval": 5, "k": 2], [:]] {
            var settings = settings
            settings["against"] = "states"
            let report = try Conformance.check(
                routing: "content", in: .standard, settings: settings, Conformance.Options(tokens: 10_000))
            #expect(report.passed, "\(report)")
        }
    }
    /// Every option of the heads of a pointer.
    @Test(
        arguments: [
            ["write-moves": ["home", "forward", "back", "stay"], "read-moves": ["cycle", "home"]],
            ["read-moves": ["stay", "forward", "back", "home", "follow", "cycle", "find"], "find-width": 3],
            ["read-moves": ["find", "stay"], "find-width": 4, "find-convolution": 1, "moves": "soft"],
            ["heads": 3], ["heads": 2, "moves": "soft"],
            ["heads": 2, "read-moves": ["find", "cycle", "forward"], "find-width": 3, "anneal": ["start": 0]],
        ] as [ConfigurationValue.Map])
    func pointers(_ settings: ConfigurationValue.Map) throws {
        // Soft heads reach more states with every token, which a stated cost does not describe: a step-by-step rule calculates the
        // reached ones only.
        let isSoft = settings["moves"] == "soft"
        let report = try Conformance.check(
            routing: "pointer", in: .standard, settings: settings,
            Conformance.Options(tokens: 10_000, excluding: isSoft ? [.costs] : []))
        #expect(report.passed, "\(report)")
    }
    /// Invariants without a cache hold for a bidirectional layer too, and the report lists the ones that were not checked.
    @Test func bothDirections() {
        let report = Conformance.check(layer: { parameters, dimensions in
            func direction(_ name: String) -> NSTMLayer {
                NSTMLayer(
                    parameters.child(name), width: dimensions.width, heads: dimensions.heads, states: dimensions.states,
                    router: .topK(2),
                    update: .gatedSlots)
            }
            return BidirectionalLayer(forward: direction("forward"), backward: direction("backward"))
        })
        #expect(report.passed && "\(report)".contains("not causal"), "\(report)")
        #expect(Set(report.measurements.map(\.invariant)) == [.causality, .gradients, .costs])
    }
    @Test(arguments: Strategies.standard.interactions.names) func interactions(_ name: String) throws {
        let report = try Conformance.check(interaction: name, in: .standard, Conformance.Options(tokens: 10_000))
        #expect(report.passed, "\(report)")
    }
    @Test(arguments: Strategies.standard.prunings.names) func pruningPolicies(_ name: String) throws {
        let settings: ConfigurationValue.Map = ["random", "top-k"].contains(name) ? ["keep": 3] : [:]
        let report = try Conformance.check(pruning: name, in: .standard, settings: settings)
        #expect(report.passed, "\(report)")
    }
    @Test(arguments: Strategies.standard.readouts.names) func readouts(_ name: String) throws {
        let report = try Conformance.check(readout: name, in: .standard, Conformance.Options(tokens: 10_000))
        #expect(report.passed, "\(report)")
    }
}
