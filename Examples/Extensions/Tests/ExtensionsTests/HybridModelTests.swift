import NSTM
import Testing

/// Models of layers of the baselines beside attention.
@Suite struct HybridModelTests {
    static let layers: [(name: String, make: @Sendable (ParameterBuilder) -> any SequenceMixer)] = [
        ("linear-transformer", { LinearTransformer.Layer($0, width: 8, heads: 2) }),
        ("lstm", { LSTM.Layer($0, width: 8) }),
        ("gru", { GRU.Layer($0, width: 8) }),
        ("min-gru", { MinGRU.Layer($0, width: 8, channels: 12) }),
        ("s4d", { S4D.Layer($0, width: 8, states: 4) }),
        ("lru", { LRU.Layer($0, width: 8, states: 6) }),
        ("mamba", { Mamba.Layer($0, width: 8, channels: 16, states: 4) }),
        ("mamba2", { Mamba2.Layer($0, width: 8, channels: 16, states: 4, headWidth: 8) }),
        ("rwkv", { RWKV.TimeMix($0, width: 8, block: 1, layers: 2) }),
        ("rwkv6", { RWKV6.TimeMix($0, width: 8, heads: 2, block: 1, layers: 2, mixRank: 2, decayRank: 2) }),
        ("hyena", { Hyena.Layer($0, width: 8, filter: Hyena.Filter.Shape(length: 16, features: 5, hidden: 4)) }),
    ]

    /// A stream of pieces gives the same outputs as the whole sequence, and the gradients reach the layer.
    @Test(arguments: layers.map(\.name)) func streamsBesideAttention(_ name: String) throws {
        let make = try #require(Self.layers.first { $0.name == name }).make
        var shape = ModelConfiguration(input: .tokens(vocabulary: 5), output: .nextToken(vocabulary: 5))
        (shape.width, shape.layers, shape.hidden) = (8, 2, 16)
        var style = BlockOptions()
        if name.hasPrefix("rwkv") {
            style.feedForward = { parameters, block, _ in
                RWKV.ChannelMix(parameters, width: 8, hidden: 16, block: block, layers: 2)
            }
        }
        let builder = ParameterBuilder(seed: 1, dtype: .float64)
        let model = SequenceModel(builder, shape, norm: .rms, style: style) { parameters, block, _ in
            block == 0 ? CausalSelfAttention(parameters, width: 8, heads: 2, rotary: true) : make(parameters)
        }
        let tokens = Tensor((0..<18).map { Int32($0 * $0 % 5) }, [2, 9])
        let context = ForwardContext(.train, key: RandomKey(1))
        let whole = model(tokens, context)
        var cache = model.initialState(batch: 2)
        let pieces = [0..<1, 1..<6, 6..<9].map {
            model(tokens.slice(axis: 1, $0), state: &cache, ForwardContext(.evaluate)).value
        }
        let difference = Tensor.concatenate(pieces, axis: 1) - whole.value
        #expect(difference.doubles().allSatisfy { abs($0) < 1e-9 })
        let gradients = (whole * whole).sum().backward()
        let own = model.parameters.all.filter { $0.path.hasPrefix("blocks.1.mixer.") }
        #expect(!own.isEmpty && own.contains { gradients[$0]?.doubles().contains { $0 != 0 } ?? false })
    }
}
