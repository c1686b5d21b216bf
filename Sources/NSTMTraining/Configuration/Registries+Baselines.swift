import NSTMConfiguration
import NSTMBaselines
import NSTMModules

extension Registries {
    /// The models that NSTM is compared with (Documentation/Baselines.md).
    mutating func registerBaselines() {
        models.register("transformer") { config, input, output, _ in
            let kind = config.choice("feed-forward", default: Transformer.FeedForwardKind.gelu)
            // A gate takes a third of the weights.
            var shape = ModelConfiguration(
                config, input, output, hidden: { kind == .gelu ? 4 * $0 : (8 * $0 / 3 + 7) / 8 * 8 })
            let rotary = config.choice("position-kind", of: ["learned", "rotary"], default: "learned") == "rotary"
            if !rotary { shape.positions = config.int("positions", default: 64, in: 1...1_000_000) }
            if rotary && (shape.width / shape.heads) % 2 != 0 {
                config.addIssue("heads", "rotary positions need an even width / heads")
            }
            let options = AttentionProjections.Options(config), final = shape
            return { Transformer($0, final, rotary: rotary, feedForward: kind, options: options) }
        }
        models.register("linear-transformer") { config, input, output, _ in
            var shape = ModelConfiguration(config, input, output, hidden: { 4 * $0 })
            let positions = config.int("positions", default: 64, in: 0...1_000_000)
            shape.positions = positions == 0 ? nil : positions
            let options = AttentionProjections.Options(config), final = shape
            return { LinearTransformer($0, final, options: options) }
        }
        registerRecurrent()
        registerStateSpaces()
        models.register("rwkv") { config, input, output, _ in
            let shape = ModelConfiguration(config, input, output, heads: nil, hidden: { 4 * $0 })
            return { RWKV($0, shape) }
        }
        models.register("rwkv6") { config, input, output, _ in
            let shape = ModelConfiguration(config, input, output, hidden: { max(8, $0 * 7 / 2 / 8 * 8) })
            let mix = config.int("mix-rank", default: 32, in: 1...65_536)
            let decay = config.int("decay-rank", default: 64, in: 1...65_536)
            return { RWKV6($0, shape, mixRank: mix, decayRank: decay) }
        }
        models.register("hyena") { config, input, output, _ in
            let shape = ModelConfiguration(config, input, output, heads: nil, hidden: { 4 * $0 })
            let length = config.int("length", default: 64, in: 1...10_000_000)
            return { Hyena($0, shape, filter: HyenaFilter.Shape(length: length)) }
        }
    }

    private mutating func registerRecurrent() {
        models.register("lstm") { config, input, output, _ in
            let shape = ModelConfiguration(config, input, output, layers: 2, heads: nil, hidden: nil)
            let forgetBias = config.optionalDouble("forget-bias", in: -100...100)
            return { LSTM($0, shape, forgetBias: forgetBias) }
        }
        models.register("gru") { config, input, output, _ in
            let shape = ModelConfiguration(config, input, output, layers: 2, heads: nil, hidden: nil)
            return { GRU($0, shape) }
        }
        models.register("min-gru") { config, input, output, _ in
            let shape = ModelConfiguration(config, input, output, heads: nil, hidden: { 4 * $0 })
            let expansion = config.int("expansion", default: 1, in: 1...64)
            let convolution = config.int("convolution", default: 4, in: 0...64)
            return { MinGRU($0, shape, expansion: expansion, convolution: convolution == 0 ? nil : convolution) }
        }
    }

    private mutating func registerStateSpaces() {
        models.register("s4d") { config, input, output, _ in
            let shape = ModelConfiguration(config, input, output, heads: nil, hidden: nil)
            let states = config.int("states", default: 64, in: 2...4096)
            if states % 2 != 0 { config.addIssue("states", "\(states) is odd; they are conjugate pairs") }
            let low = config.double("smallest-step", default: 1e-3, in: 1e-9...1)
            let high = config.double("largest-step", default: 0.1, in: 1e-9...1)
            if low > high { config.addIssue("smallest-step", "\(low) is more than the largest step \(high)") }
            return { S4D($0, shape, states: states, stepSizes: low...high) }
        }
        models.register("lru") { config, input, output, _ in
            let shape = ModelConfiguration(config, input, output, heads: nil, hidden: nil)
            let states = config.int("states", default: 256, in: 1...65_536)
            let low = config.double("smallest-radius", default: 0, in: 0...1)
            let high = config.double("largest-radius", default: 1, in: 0...1)
            if low > high { config.addIssue("smallest-radius", "\(low) is more than the largest radius \(high)") }
            let phase = config.double("largest-phase", default: 6.28, in: 1e-6...6.284)
            let factor = config.double("rate-factor", default: 0.5, in: 0...1)
            return { LRU($0, shape, states: states, radii: low...high, phase: phase, learningRateScale: factor) }
        }
        models.register("mamba") { config, input, output, _ in
            let shape = ModelConfiguration(config, input, output, heads: nil, hidden: nil)
            let states = config.int("states", default: 16, in: 1...256)
            let expansion = config.int("expansion", default: 2, in: 1...64)
            return { Mamba($0, shape, states: states, expansion: expansion) }
        }
        models.register("mamba2") { config, input, output, _ in
            let shape = ModelConfiguration(config, input, output, heads: nil, hidden: nil)
            let states = config.int("states", default: 128, in: 1...1024)
            let expansion = config.int("expansion", default: 2, in: 1...64)
            let headWidth = config.int("head-width", default: 64, in: 1...1024)
            if expansion * shape.width % headWidth != 0 {
                config.addIssue("head-width", "\(headWidth) does not divide expansion · width, \(expansion * shape.width)")
            }
            return { Mamba2($0, shape, states: states, expansion: expansion, headWidth: headWidth) }
        }
    }
}

extension AttentionProjections.Options {
    /// Reads `short-convolution` and `output-gate`.
    init(_ config: ConfigurationReader) {
        self.init(
            convolution: config.bool("short-convolution", default: false) ? 4 : nil,
            gatesOutput: config.bool("output-gate", default: false))
    }
}
