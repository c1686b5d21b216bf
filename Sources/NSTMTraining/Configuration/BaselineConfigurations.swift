import NSTMBaselines
import NSTMConfiguration
import NSTMLayers
import NSTMModules

// The models that NSTM is compared with (Documentation/Baselines.md).

extension Transformer {
    public struct Configuration: SequenceModelConfiguration {
        public static let type = "transformer"
        public static let summary = "a pre-norm transformer"
        public var sizes = ModelSizes(heads: 4)
        /// The feed-forward part.
        public var feedForward = FeedForwardKind.gelu
        /// Whether positions are rotary; otherwise they are learned.
        public var isRotary = false
        /// Learned positions.
        public var positions = 64
        public var options = AttentionProjections.Options()
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: Strategies) {
            feedForward = reader.choice("feed-forward", default: feedForward)
            // A gate takes a third of the weights.
            let isGated = feedForward == .swiglu
            sizes.read(reader, hidden: { isGated ? (8 * $0 / 3 + 7) / 8 * 8 : 4 * $0 })
            let usual = isRotary ? "rotary" : "learned"
            isRotary = reader.choice("position-kind", of: ["learned", "rotary"], default: usual) == "rotary"
            if !isRotary { positions = reader.int("positions", default: positions, in: 1...1_000_000) }
            if isRotary && (sizes.width / sizes.heads!) % 2 != 0 {
                reader.addIssue("heads", "rotary positions need an even width / heads")
            }
            options.read(reader)
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel {
            Transformer(
                parameters, sizes.shape(input, output, positions: isRotary ? nil : positions), rotary: isRotary,
                feedForward: feedForward, options: options)
        }
    }
}

extension LinearTransformer {
    public struct Configuration: SequenceModelConfiguration {
        public static let type = "linear-transformer"
        public static let summary = "a transformer with linear attention"
        public var sizes = ModelSizes(heads: 4)
        /// Learned positions; 0: none.
        public var positions = 64
        public var options = AttentionProjections.Options()
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: Strategies) {
            sizes.read(reader, hidden: { 4 * $0 })
            positions = reader.int("positions", default: positions, in: 0...1_000_000)
            options.read(reader)
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel {
            LinearTransformer(
                parameters, sizes.shape(input, output, positions: positions == 0 ? nil : positions), options: options)
        }
    }
}

extension LSTM {
    public struct Configuration: SequenceModelConfiguration {
        public static let type = "lstm"
        public static let summary = "a long short-term memory"
        public var sizes = ModelSizes(layers: 2)
        /// Initial bias of the forget gates; nil: drawn like the other biases.
        public var forgetBias: Double?
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: Strategies) {
            sizes.read(reader)
            forgetBias = reader.optionalDouble("forget-bias", default: forgetBias, in: -100...100)
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel {
            LSTM(parameters, sizes.shape(input, output), forgetBias: forgetBias)
        }
    }
}

extension GRU {
    public struct Configuration: SequenceModelConfiguration {
        public static let type = "gru"
        public static let summary = "gated recurrent units"
        public var sizes = ModelSizes(layers: 2)
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: Strategies) {
            sizes.read(reader)
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel {
            GRU(parameters, sizes.shape(input, output))
        }
    }
}

extension MinGRU {
    public struct Configuration: SequenceModelConfiguration {
        public static let type = "min-gru"
        public static let summary = "minGRU (Feng et al. 2024)"
        public var sizes = ModelSizes()
        /// Width of the recurrence, in widths of the model.
        public var expansion = 1
        /// Tokens of the short convolution; 0: none.
        public var convolution = 4
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: Strategies) {
            sizes.read(reader, hidden: { 4 * $0 })
            expansion = reader.int("expansion", default: expansion, in: 1...64)
            convolution = reader.int("convolution", default: convolution, in: 0...64)
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel {
            MinGRU(
                parameters, sizes.shape(input, output), expansion: expansion, convolution: convolution == 0 ? nil : convolution)
        }
    }
}

extension S4D {
    public struct Configuration: SequenceModelConfiguration {
        public static let type = "s4d"
        public static let summary = "a diagonal state space model"
        public var sizes = ModelSizes()
        /// Numbers of a channel's state, even.
        public var states = 64
        public var smallestStep = 1e-3
        public var largestStep = 0.1
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: Strategies) {
            sizes.read(reader)
            states = reader.int("states", default: states, in: 2...4096)
            if states % 2 != 0 { reader.addIssue("states", "\(states) is odd; they are conjugate pairs") }
            smallestStep = reader.double("smallest-step", default: smallestStep, in: 1e-9...1)
            largestStep = reader.double("largest-step", default: largestStep, in: 1e-9...1)
            if smallestStep > largestStep {
                reader.addIssue("smallest-step", "\(smallestStep) is more than the largest step \(largestStep)")
            }
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel {
            S4D(parameters, sizes.shape(input, output), states: states, stepSizes: smallestStep...largestStep)
        }
    }
}

extension LRU {
    public struct Configuration: SequenceModelConfiguration {
        public static let type = "lru"
        public static let summary = "a linear recurrent unit"
        public var sizes = ModelSizes()
        /// Complex numbers of a layer's state.
        public var states = 256
        public var smallestRadius = 0.0
        public var largestRadius = 1.0
        public var largestPhase = 6.28
        /// Factor of the learning rate of the recurrence.
        public var learningRateScale = 0.5
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: Strategies) {
            sizes.read(reader)
            states = reader.int("states", default: states, in: 1...65_536)
            smallestRadius = reader.double("smallest-radius", default: smallestRadius, in: 0...1)
            largestRadius = reader.double("largest-radius", default: largestRadius, in: 0...1)
            if smallestRadius > largestRadius {
                reader.addIssue("smallest-radius", "\(smallestRadius) is more than the largest radius \(largestRadius)")
            }
            largestPhase = reader.double("largest-phase", default: largestPhase, in: 1e-6...6.284)
            learningRateScale = reader.double("rate-factor", default: learningRateScale, in: 0...1)
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel {
            LRU(
                parameters, sizes.shape(input, output), states: states, radii: smallestRadius...largestRadius,
                phase: largestPhase,
                learningRateScale: learningRateScale)
        }
    }
}

extension Mamba {
    public struct Configuration: SequenceModelConfiguration {
        public static let type = "mamba"
        public static let summary = "the selective state space model"
        public var sizes = ModelSizes()
        /// Numbers of a channel's state.
        public var states = 16
        /// Inner width, in widths of the model.
        public var expansion = 2
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: Strategies) {
            sizes.read(reader)
            states = reader.int("states", default: states, in: 1...256)
            expansion = reader.int("expansion", default: expansion, in: 1...64)
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel {
            Mamba(parameters, sizes.shape(input, output), states: states, expansion: expansion)
        }
    }
}

extension Mamba2 {
    public struct Configuration: SequenceModelConfiguration {
        public static let type = "mamba2"
        public static let summary = "state space duality"
        public var sizes = ModelSizes()
        /// Numbers of a channel's state.
        public var states = 128
        /// Inner width, in widths of the model.
        public var expansion = 2
        /// Channels of a head.
        public var headWidth = 64
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: Strategies) {
            sizes.read(reader)
            states = reader.int("states", default: states, in: 1...1024)
            expansion = reader.int("expansion", default: expansion, in: 1...64)
            headWidth = reader.int("head-width", default: headWidth, in: 1...1024)
            if expansion * sizes.width % headWidth != 0 {
                reader.addIssue("head-width", "\(headWidth) does not divide expansion · width, \(expansion * sizes.width)")
            }
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel {
            Mamba2(parameters, sizes.shape(input, output), states: states, expansion: expansion, headWidth: headWidth)
        }
    }
}

extension RWKV {
    public struct Configuration: SequenceModelConfiguration {
        public static let type = "rwkv"
        public static let summary = "RWKV-4"
        public var sizes = ModelSizes()
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: Strategies) {
            sizes.read(reader, hidden: { 4 * $0 })
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel {
            RWKV(parameters, sizes.shape(input, output))
        }
    }
}

extension RWKV6 {
    public struct Configuration: SequenceModelConfiguration {
        public static let type = "rwkv6"
        public static let summary = "RWKV-6"
        public var sizes = ModelSizes(heads: 4)
        /// Rank of the token shift's mixing.
        public var mixRank = 32
        /// Rank of the decay.
        public var decayRank = 64
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: Strategies) {
            sizes.read(reader, hidden: { max(8, $0 * 7 / 2 / 8 * 8) })
            mixRank = reader.int("mix-rank", default: mixRank, in: 1...65_536)
            decayRank = reader.int("decay-rank", default: decayRank, in: 1...65_536)
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel {
            RWKV6(parameters, sizes.shape(input, output), mixRank: mixRank, decayRank: decayRank)
        }
    }
}

extension Hyena {
    public struct Configuration: SequenceModelConfiguration {
        public static let type = "hyena"
        public static let summary = "long convolutions with gates"
        public var sizes = ModelSizes()
        /// Longest sequence.
        public var length = 64
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ strategies: Strategies) {
            sizes.read(reader, hidden: { 4 * $0 })
            length = reader.int("length", default: length, in: 1...10_000_000)
        }
        public func make(_ parameters: ParameterBuilder, _ input: ModelInput, _ output: ModelOutput) -> SequenceModel {
            Hyena(parameters, sizes.shape(input, output), filter: Filter.Shape(length: length))
        }
    }
}

extension AttentionProjections.Options {
    /// Reads `short-convolution` and `output-gate`.
    mutating func read(_ reader: ConfigurationReader) {
        self = Self(
            convolution: reader.bool("short-convolution", default: convolution != nil) ? convolution ?? 4 : nil,
            gatesOutput: reader.bool("output-gate", default: gatesOutput))
    }
}
