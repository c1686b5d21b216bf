import NSTMAutograd
import NSTMLayers
import NSTMModules
import NSTMTensor
import Testing

@Suite struct BidirectionalTests {
    private func layer(_ builder: ParameterBuilder) -> BidirectionalLayer {
        func direction(_ name: String) -> NSTMLayer {
            NSTMLayer(
                builder.child(name), width: 8, heads: 2, states: 5, router: .topK(2), update: .gatedSlots,
                interaction: .attention(heads: 2), interval: 4, window: 3)
        }
        let layer = BidirectionalLayer(forward: direction("forward"), backward: direction("backward"))
        shake(builder.store, seed: 1)
        return layer
    }
    private func run(_ layer: any SequenceMixer, _ x: Tensor) -> Tensor {
        var none: MixerCache?
        return layer(Variable(x), &none, ForwardContext(.evaluate)).value
    }
    /// Tokens in the order of the numbers.
    private func ordered(_ x: Tensor, _ order: [Int]) -> Tensor { .stack(order.map { x.select(axis: 1, $0) }, axis: 1) }

    /// Two passes by hand: one over the sequence, one over its tokens from the last to the first.
    @Test func isTheSumOfTwoPasses() {
        let both = layer(ParameterBuilder(seed: 1, dtype: .float64)), x = random([2, 9, 8], "x")
        let back = Array((0..<9).reversed())
        let expected = run(both.forward, x) + ordered(run(both.backward, ordered(x, back)), back)
        #expect(difference(run(both, x), expected) < 1e-12)
        #expect(difference(run(both.forward, x), run(both.backward, x)) > 1e-3)
    }
    /// Every output depends on every token, before and after.
    @Test func seesBothSides() {
        let both = layer(ParameterBuilder(seed: 1, dtype: .float64)), x = random([1, 6, 8], "x"), y = run(both, x)
        for j in 0..<6 {
            let moved = Tensor.stack((0..<6).map { x.select(axis: 1, $0).affine(1, $0 == j ? 0.1 : 0) }, axis: 1)
            let z = run(both, moved)
            for t in 0..<6 { #expect(difference(y.select(axis: 1, t), z.select(axis: 1, t)) > 1e-6, "output \(t) by token \(j)") }
        }
        #expect(!both.isCausal)
    }
    /// Against central differences in float64: every parameter along a direction, and the tokens.
    @Test func gradients() throws {
        let builder = ParameterBuilder(seed: 1, dtype: .float64), both = layer(builder)
        let x = random([2, 7, 8], "x")
        func loss(_ context: ForwardContext, _ input: Variable) -> Variable {
            var none: MixerCache?
            return weighted(both(input, &none, context), "y")
        }
        let training = ForwardContext(.train), input = training.input(x)
        let trained = builder.store.all.filter(\.isTrainable)
        let all = loss(training, input).gradients(of: [input] + trained.map { training[$0] })
        func value(_ x: Tensor) -> Double { loss(ForwardContext(.evaluate), Variable(x)).value.item() }
        func compare(_ gradient: Tensor?, _ shape: Shape, _ name: String, _ at: (Tensor) -> Double) throws {
            let d = random(shape, "direction " + name), h = 1e-5
            let numeric = (at(d.affine(h)) - at(d.affine(-h))) / (2 * h)
            let analytic = (try #require(gradient, "\(name)") * d).sum().item()
            #expect(abs(numeric - analytic) < 1e-6 * max(1, abs(numeric)), "\(name)")
            #expect(analytic != 0, "\(name)")
        }
        try compare(all[0], x.shape, "tokens") { value(x + $0) }
        for (p, gradient) in zip(trained, all.dropFirst()) {
            let original = p.value
            try compare(gradient, original.shape, p.path) {
                p.value = original + $0
                defer { p.value = original }
                return value(x)
            }
        }
    }
    @Test func costIsThatOfBoth() {
        let both = layer(ParameterBuilder(seed: 1)), x = random([2, 20, 8], "x", .float32)
        let counted = Work.counting { _ = run(both, x) }
        #expect(both.multiplyAdds(PassSize(batch: 2, tokens: 20)) == counted.multiplyAdds)
    }

    private static func shape(_ output: ModelOutput) -> ModelConfiguration {
        var shape = ModelConfiguration(input: .features(width: 6), output: output)
        (shape.width, shape.layers, shape.heads, shape.hidden) = (8, 2, 2, 12)
        return shape
    }
    private static func model(_ output: ModelOutput = .pooled(classes: 3)) -> NSTMModel {
        NSTMModel(
            ParameterBuilder(seed: 1), shape(output), states: 5, router: .topK(2), update: .gatedSlots, bidirectional: true)
    }
    @Test func models() {
        let m = BidirectionalTests.model()
        #expect(m.stateLayers.map(\.path) == (0..<2).flatMap { ["blocks.\($0).mixer.forward", "blocks.\($0).mixer.backward"] })
        #expect(m.streamingLimitation == "reads sequences in both directions")
        #expect(m.summary().contains("reads sequences in both directions: no streaming, no state between calls"))
        #expect(m(random([2, 9, 6], "x", .float32), ForwardContext(.evaluate)).shape == [2, 3])
        #expect(m.multiplyAdds(PassSize(batch: 2, tokens: 9)) == m.work(batch: 2, tokens: 9).multiplyAdds)
    }
    /// There is no cache, and no prediction of tokens that are part of the input.
    @Test func refusals() async {
        await #expect(processExitsWith: .failure) { _ = BidirectionalTests.model().initialState(batch: 1) }
        await #expect(processExitsWith: .failure) { _ = BidirectionalTests.model(.nextToken(vocabulary: 5)) }
        await #expect(processExitsWith: .failure) {
            var state: MixerCache? = MixerCache()
            let layer = BidirectionalTests().layer(ParameterBuilder(seed: 1))
            _ = layer(Variable(.zeros([1, 2, 8])), &state, ForwardContext(.evaluate))
        }
    }
}
