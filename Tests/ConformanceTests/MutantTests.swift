import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import NSTMTesting
import Testing

/// The kit reports each issue under the invariant that it breaks, and no unrelated ones.
@Suite struct MutantTests {
    /// - Parameter others: other invariants that the issue may break.
    private func expect(
        _ report: ConformanceReport, breaks invariant: Invariant, _ others: Set<Invariant> = [],
        at location: SourceLocation = #_sourceLocation
    ) {
        #expect(
            report.broken.contains(invariant) && report.broken.isSubset(of: others.union([invariant])), "\(report)",
            sourceLocation: location)
        #expect(!report.passed && "\(report)".contains("FAILS"), sourceLocation: location)
    }
    private let quick = Conformance.Options(tokens: 5_000)

    @Test func aRuleThatSeesTheFuture() {
        let report = Conformance.check(
            updateRule: { _, _ in Scanned { x, w in w * x.mean(axes: [1, 2], keepDims: true).sigmoid() } }, quick)
        expect(report, breaks: .causality, [.splits])
    }
    /// Wrong for the first token of the second chunk only.
    @Test func aScanThatDiffersFromItsStepsAtABoundary() {
        let report = Conformance.check(
            updateRule: { _, _ in
                Scanned { x, w in
                    guard w.shape[1] > 64 else { return w }
                    let parts = w.split(axis: 1, [64, 1, w.shape[1] - 65])
                    return .concatenate([parts[0], parts[1] * 0.99, parts[2]], axis: 1)
                }
            }, quick)
        expect(report, breaks: .splits)
    }
    @Test func aParameterWithoutGradient() {
        expect(Conformance.check(updateRule: { Unlearned($0, width: $1.width) }, quick), breaks: .gradients)
    }
    @Test func aWrongGradient() {
        expect(Conformance.check(updateRule: { Mislearned($0, width: $1.width) }, quick), breaks: .gradients)
    }
    @Test func aCostThatIsNotWhatIsCounted() {
        expect(Conformance.check(updateRule: { Overstating($0, width: $1.width) }, quick), breaks: .costs)
        expect(Conformance.check(routing: { Overreaching($0, $1) }, quick), breaks: .costs)
    }
    /// The cost of a strategy is optional, and is checked if it is stated.
    @Test func costsThatAreNotStated() {
        let silent = Conformance.check(updateRule: { Moving($0, width: $1.width) }, quick)
        #expect(silent.passed && "\(silent)".contains("8 costs: not stated"), "\(silent)")
        let honest = Conformance.check(updateRule: { Honest($0, width: $1.width) }, quick)
        #expect(honest.passed && honest.measurements.contains { $0.invariant == .costs }, "\(honest)")
        #expect(!"\(honest)".contains("not stated"))
    }
    @Test func pruningPoliciesThatDecideWrongly() {
        for mistake in MistakenPruning.Mistake.allCases {
            expect(Conformance.check(pruning: { _ in MistakenPruning(mistake) }), breaks: .decisions)
        }
        #expect(Conformance.check(pruning: { _ in MistakenPruning(nil) }).passed)
    }
    @Test func inactiveStatesThatLeak() {
        for report in [
            Conformance.check(interaction: { p, _ in Averaging(p) }, quick),
            Conformance.check(readout: { _, _ in Gullible() }, quick),
            Conformance.check(routing: { Crowded($0, $1) }, quick),
        ] { expect(report, breaks: .inactivity) }
    }
    @Test func statesThatChangeUnasked() {
        expect(Conformance.check(updateRule: { _, _ in Fading() }, quick), breaks: .inactivity)
    }
    @Test func aStateThatGrows() {
        expect(Conformance.check(updateRule: { _, _ in Adding() }, quick), breaks: .boundedness)
    }
    @Test func aRoutingThatLooksAtTheBatch() {
        let report = Conformance.check(
            routing: { Gates($0, $1) { z, _ in z - z.mean(axes: [0], keepDims: true) } }, quick)
        expect(report, breaks: .causality)
    }
    @Test func aRoutingThatLooksAtTheFuture() {
        let report = Conformance.check(
            routing: { Gates($0, $1) { z, _ in z - z.mean(axes: [1], keepDims: true) } }, quick)
        expect(report, breaks: .causality, [.splits])
    }
    /// Only in training, and only in its values.
    @Test func aRoutingThatLooksAtTheBatchInTraining() {
        let report = Conformance.check(
            routing: {
                Gates($0, $1) { z, context in context.isTraining ? z - z.detached.mean(axes: [0], keepDims: true) : z }
            }, quick)
        expect(report, breaks: .causality, [.gradients])
    }
    @Test func randomNumbersByOrderOfCalls() {
        expect(
            Conformance.check(updateRule: { Gambling($0, width: $1.width) }, quick), breaks: .splits,
            [.causality, .gradients, .inactivity, .checkpoints])
    }
    @Test func aStateThatIsNotCarried() {
        expect(
            Conformance.check(updateRule: { Remembering($0, width: $1.width) }, quick), breaks: .splits,
            [.causality, .gradients, .inactivity, .checkpoints])
        let report = Conformance.check(
            layer: {
                Tampered($0, $1) { state, context in
                    state["convolution"] = context.constant(.zeros(state["convolution"]!.shape, dtype: state["keys"]!.dtype))
                }
            }, quick)
        expect(report, breaks: .splits)
    }
    @Test func aMemoryThatGrows() {
        expect(Conformance.check(updateRule: { Collecting($0, width: $1.width) }, quick), breaks: .memory)
        let report = Conformance.check(
            layer: {
                Tampered($0, $1) { state, context in
                    let size: Shape = [state["keys"]!.shape[0], state.position, 1]
                    state["log"] = context.constant(.zeros(size, dtype: state["keys"]!.dtype))
                }
            }, quick)
        expect(report, breaks: .memory, [.splits])
    }
    @Test func somethingThatIsNotSaved() {
        expect(Conformance.check(updateRule: { Nostalgic($0, width: $1.width) }, quick), breaks: .checkpoints, [.inactivity])
    }
    /// None of the issues is in the code that the mutants share.
    @Test func unmodifiedCodePasses() {
        for report in [
            Conformance.check(updateRule: { Moving($0, width: $1.width) }, quick),
            Conformance.check(updateRule: { _, _ in Scanned { _, w in w * 0.5 } }, quick),
            Conformance.check(routing: { Gates($0, $1) { z, _ in z } }, quick),
            Conformance.check(layer: { Tampered($0, $1) { _, _ in } }, quick),
        ] { #expect(report.passed, "\(report)") }
    }
}
