import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor

extension Subject {
    /// Checks that the stated cost and state size equal the counted ones, for whole sequences of several lengths and for segments
    /// that continue from a cache.
    func checkCosts(_ report: inout ConformanceReport) {
        for harness in harnesses {
            for dimensions in [Subject.dimensions, Subject.smallDimensions] {
                let fixture = harness.fixture(dimensions, .float32)
                guard let layer = fixture.mixer as? any CostReporting,
                    layer.multiplyAdds(PassSize(batch: 2, tokens: 1)) != nil
                else {
                    report.note("8 costs: not stated")
                    continue
                }
                compareWork(fixture, layer, harness.name, &report)
            }
        }
    }

    private func compareWork(
        _ fixture: Fixture, _ layer: any CostReporting, _ name: String, _ report: inout ConformanceReport
    ) {
        let context = ForwardContext(.evaluate)
        func compare(_ pass: PassSize, _ counted: Work) {
            let stated = layer.multiplyAdds(pass), at = pass.carriesState ? " from a state at \(pass.position)" : ""
            report.note(
                .costs, "stated minus counted multiply-adds",
                stated.map { Double(abs($0 - counted.multiplyAdds)) } ?? .infinity, bound: 0,
                at:
                    "\(stated?.description ?? "nothing") stated, \(counted.multiplyAdds) counted of 2 × \(pass.tokens) tokens\(at), "
                    + "width \(fixture.width), \(name)")
        }
        // One token; fewer and more than a chunk of a scan; more than a block of queries.
        for length in [1, 13, 75] {
            let x = context.constant(fixture.tokens(length))
            compare(PassSize(batch: 2, tokens: length), Work.counting { _ = fixture.whole(x, context) })
        }
        guard fixture.mixer.isCausal else { return }
        fixture.reset()
        var state: MixerCache? = fixture.mixer.initialState(batch: 2, context), position = 0
        for part in context.constant(fixture.tokens(43)).split(axis: 1, [5, 1, 20, 17]) {
            let pass = PassSize(batch: 2, tokens: part.shape[1], position: position, carriesState: true)
            compare(pass, Work.counting { _ = fixture.mixer(part, &state, context) })
            position += part.shape[1]
            guard let stated = layer.stateBytes(pass) else { continue }
            report.note(
                .costs, "stated minus actual bytes of the state",
                Double(abs(stated - state!.byteCount)), bound: 0,
                at: "\(stated) stated, \(state!.byteCount) cached after \(position) tokens, width \(fixture.width), \(name)")
        }
    }
}
