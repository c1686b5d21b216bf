import NSTMAutograd
import NSTMBaselines
import NSTMModules
import NSTMTensor
import Testing

@Suite struct CostTests {
    private func transformer(positions: Int = 300) -> Transformer {
        var shape = ModelConfiguration(input: .tokens(vocabulary: 65), output: .nextToken(vocabulary: 65))
        (shape.width, shape.layers, shape.heads, shape.hidden, shape.positions) = (32, 2, 4, 128, positions)
        return Transformer(ParameterBuilder(seed: 1), shape)
    }

    /// Two blocks of 12 D² and, with 256 tokens in blocks of 32, 2 D · 32²·(1 + … + 8) for attention; the head.
    @Test func aTransformerByHand() {
        let model = transformer(), (D, T) = (32, 256)
        let expected = 2 * (T * 12 * D * D + 2 * D * 32 * 32 * 36) + T * 65 * D
        #expect(model.work(batch: 1, tokens: T).multiplyAdds == expected)
        #expect(model.multiplyAdds(PassSize(tokens: T)) == expected)
    }
    @Test func reportedIsCountedFromAState() {
        let model = transformer()
        var state = model.initialState(batch: 2), position = 0
        for tokens in [40, 1, 1, 70] {
            let x = model.sample(batch: 2, tokens: tokens)
            let counted = Work.counting { _ = model(x, state: &state, ForwardContext(.evaluate)) }
            let pass = PassSize(batch: 2, tokens: tokens, position: position, carriesState: true)
            #expect(model.multiplyAdds(pass) == counted.multiplyAdds)
            position += tokens
        }
    }

    /// Keys, values and queries of a token in each layer.
    @Test func summary() {
        let lines = ModelSummary(transformer(positions: 64), kind: "transformer", context: 256).lines
        #expect(lines[0] == "transformer, 2 layers of width 32, 28,864 parameters")
        #expect(
            lines.contains {
                $0.contains("blocks.*.feedForward") && $0.hasSuffix("16,384  2 × up.weight [128, 32], down.weight [32, 128]")
            })
        #expect(lines.contains("carries 768 bytes of state per token, at most 64 tokens"))
        // The sequence is as long as the positions: (2 · (64 · 12 D² + 32² · 3 · 2 D))/64 and the head, 65 D.
        #expect(lines.last!.hasPrefix("32,800 multiply-adds and "))
        #expect(lines.last!.hasSuffix("in a sequence of 64"))
        #expect(transformer(positions: 64).summary("transformer", context: 256) == lines.joined(separator: "\n"))
    }
}
