import NSTMAutograd
import NSTMBaselines
import NSTMModules
import NSTMTensor
import Testing

/// The stated cost of the models equals the counted work.
@Suite struct CostTests {
    @Test(arguments: Peer.all, [DType.float32, .float64]) func reportedIsCounted(_ peer: Peer, _ dtype: DType) {
        let m = peer.built(dtype: dtype), context = ForwardContext(.evaluate)
        for (batch, length) in [(1, 1), (3, 16), (2, 37)] {
            let counted = Work.counting { _ = m(tokens([batch, length]), context) }
            #expect(m.multiplyAdds(PassSize(batch: batch, tokens: length)) == counted.multiplyAdds, "\(batch) × \(length)")
        }
        var state = m.initialState(batch: 2), position = 0
        for length in [5, 1, 17, 2] {
            let counted = Work.counting { _ = m(tokens([2, length]), state: &state, context) }
            let pass = PassSize(batch: 2, tokens: length, position: position, carriesState: true)
            #expect(m.multiplyAdds(pass) == counted.multiplyAdds, "\(length) at \(position)")
            position += length
        }
    }

    /// Widths that are whole vectors, values in several blocks of columns, chunks of 16 tokens and a rest.
    @Test func ofUsualWidths() {
        var shape = ModelConfiguration(input: .features(width: 3), output: .pooled(classes: 5))
        (shape.width, shape.layers, shape.heads, shape.hidden) = (96, 1, 1, 32)
        let b = ParameterBuilder(seed: 1)
        let models: [SequenceModel] = [
            Mamba2(b.child("a"), shape, states: 20, headWidth: 96), LinearTransformer(b.child("b"), shape),
            RWKV6(b.child("c"), shape),
            S4D(b.child("d"), shape), Mamba(b.child("e"), shape),
            Hyena(b.child("f"), shape, filter: Hyena.Filter.Shape(length: 70)),
        ]
        for m in models {
            #expect(m.multiplyAdds(PassSize(batch: 3, tokens: 69)) == m.work(batch: 3, tokens: 69).multiplyAdds)
        }
    }

    /// By hand, for a token and layer of width D, besides the head: LSTM 8 D² + 2 D, GRU 6 D² + 2 D, minGRU without convolution
    /// 3 D² + D and a feed-forward part, LRU with N complex numbers 4 N D + 4 N + 2 D².
    @Test func byHand() {
        let (D, T, N, F) = (24, 10, 5, 40)
        var shape = ModelConfiguration(input: .tokens(vocabulary: 11), output: .nextToken(vocabulary: 11))
        (shape.width, shape.layers, shape.hidden) = (D, 2, F)
        func cost(_ m: SequenceModel) -> Int { m.multiplyAdds(PassSize(batch: 1, tokens: T))! - T * 11 * D }
        let b = ParameterBuilder(seed: 1)
        #expect(cost(LSTM(b.child("a"), shape)) == 2 * T * (8 * D * D + 2 * D))
        #expect(cost(GRU(b.child("b"), shape)) == 2 * T * (6 * D * D + 2 * D))
        #expect(cost(MinGRU(b.child("c"), shape, convolution: nil)) == 2 * T * (3 * D * D + D + 2 * D * F))
        #expect(cost(LRU(b.child("d"), shape, states: N)) == 2 * T * (4 * N * D + 4 * N + 2 * D * D))
    }
}
