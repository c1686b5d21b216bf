import NSTMAutograd
import NSTMTensor

/// A pre-norm residual stack: embedder, blocks of a mixer and a feed-forward layer, a final norm, an output head.
///
/// The models of this package differ only in their mixers and their `BlockOptions`.
open class SequenceModel {
    /// Inputs, outputs and sizes.
    public let shape: ModelConfiguration
    /// All parameters, in order of declaration.
    public let parameters: ParameterStore
    /// The blocks, first to last.
    public let blocks: [Block]
    private let blockNames: [String]
    let embedder: any Embedder
    /// The embedder of several inputs; nil when there is one input.
    let streams: StreamEmbedder?
    private let positions: Parameter?
    private let inputNorm: Block.Norm?
    private let norm: Block.Norm
    /// The output head; nil when it is tied to the embedding.
    let head: Linear?

    /// The default embedder: a table for tokens, a linear map for vectors.
    /// - Parameter tokens: initial token vectors.
    public static func plainEmbedder(
        _ parameters: ParameterBuilder, _ input: ModelInput, _ width: Int, tokens: Initializer = .normal(standardDeviation: 0.02)
    ) -> any Embedder {
        switch input {
        case .tokens(let vocabulary): TokenEmbedder(parameters, vocabulary: vocabulary, width: width, initializer: tokens)
        case .features(let features): VectorEmbedder(parameters, features: features, width: width)
        case .streams: nstmFatal(.other(op: "embedder", "nested streams in the input \(input)"), at: parameters.path)
        }
    }

    /// Builds a model and declares its parameters.
    /// - Parameter mixer: builds the mixer of a block; `residual` is the initializer for output projections into the residual
    ///   stream, scaled down with the number of layers (Radford et al., 2019).
    public init(
        _ builder: ParameterBuilder, _ shape: ModelConfiguration, norm normKind: BlockOptions.Norm,
        style: BlockOptions = BlockOptions(),
        mixer: (_ parameters: ParameterBuilder, _ block: Int, _ residual: Initializer) -> any SequenceMixer
    ) {
        self.shape = shape
        parameters = builder.store
        let weights = Initializer.normal(standardDeviation: 0.02)
        let residual = Initializer.normal(standardDeviation: 0.02 / (2 * Double(shape.layers)).squareRoot())
        let enter = style.embedder ?? { SequenceModel.plainEmbedder($0, $1, $2, tokens: style.embedding) }
        if case .streams(let inputs) = shape.input {
            let parent = builder.child("streams")
            let all = inputs.enumerated().map { enter(parent.child("\($0)"), $1, shape.width) }
            streams = StreamEmbedder(parent, all, width: shape.width)
            embedder = all[0]
        } else {
            streams = nil
            embedder = enter(builder.child(SequenceModel.name(of: shape.input)), shape.input, shape.width)
        }
        positions = shape.positions.map { builder.child("positions")("weight", [$0, shape.width], weights) }
        inputNorm = style.normsInput ? Block.Norm(builder.child("inputNorm"), normKind, shape.width) : nil
        blockNames = (0..<shape.layers).map { "blocks.\($0)" }
        blocks = (0..<shape.layers).map { i in
            let b = builder.child("blocks", i)
            let mixer = mixer(b.child("mixer"), i, residual), second = b.child("feedForward"), hidden = shape.hidden
            let width = shape.width
            let feedForward: (() -> any SequenceMixer)? =
                style.feedForward.map { build in { build(second, i, residual) } }
                ?? (hidden == 0
                    ? nil
                    : { FeedForward(second, width: width, hidden: hidden, initializer: weights, outputInitializer: residual) })
            return Block(
                b, width: width, norm: normKind, mixer: mixer, feedForward: feedForward, isResidual: style.isResidual)
        }
        norm = Block.Norm(builder.child("norm"), normKind, shape.width)
        if !shape.output.isPooled, let i = blocks.firstIndex(where: { !$0.mixer.isCausal }) {
            nstmFatal(
                .other(
                    op: "model",
                    "blocks.\(i).mixer is not causal, so that tokens would depend on the tokens they predict; the output is "
                        + "\(shape.output) and must be pooled"))
        }
        switch shape.output {
        case .nextToken(let vocabulary):
            if style.isTied, streams == nil, embedder.table?.value.shape == [vocabulary, shape.width] {
                head = nil
            } else {
                head = Linear(
                    builder.child("head"), in: shape.width, out: vocabulary, bias: style.headBias, initializer: style.head)
            }
        case .perToken(let n), .pooled(let n):
            head = Linear(builder.child("head"), in: shape.width, out: n)
        }
    }

    /// The embedder of each input.
    public var embedders: [any Embedder] { streams?.streams ?? [embedder] }
    /// Maximum number of tokens of a sequence; nil for no limit.
    open var maxSequenceLength: Int? { shape.positions }
    /// Whether the size of the streaming cache grows with every token; false by default.
    open var cacheGrowsWithLength: Bool { false }

    /// The reason why the model accepts whole sequences only, as the predicate of a sentence; nil when it supports streaming.
    public var streamingLimitation: String? {
        if streams != nil { return "reads all its inputs at once" }
        if !embedder.isStreamable { return "embeds whole sequences (\(type(of: embedder)))" }
        return blocks.contains { !$0.mixer.isCausal } ? "reads sequences in both directions" : nil
    }

    /// Output for a batch of whole sequences, of the shape that `ModelOutput` gives.
    public func callAsFunction(_ inputs: Tensor, _ context: ForwardContext) -> Variable {
        self([inputs], context)
    }
    /// Output for a batch of whole sequences, of the shape that `ModelOutput` gives.
    /// - Parameter inputs: one tensor per input of the model.
    public func callAsFunction(_ inputs: [Tensor], _ context: ForwardContext) -> Variable {
        var none: Cache?
        return run(inputs, &none, context)
    }
    private static func name(of input: ModelInput) -> String { if case .tokens = input { "embedding" } else { "input" } }

    /// The cache before the first token, for streaming.
    ///
    /// Stops the program if the model has a `streamingLimitation`.
    /// - Parameter context: the forward pass that starts with the cache, if gradients are to reach learned initial states; nil
    ///   for evaluation.
    public func initialState(batch: Int, _ context: ForwardContext? = nil) -> Cache {
        let context = context ?? ForwardContext(.evaluate)
        if let streamingLimitation { nstmFatal(.other(op: "initialState", "the model \(streamingLimitation)")) }
        return Cache(
            layers: blocks.enumerated().map { i, block in
                context.scope(blockNames[i]) { block.initialState(batch: batch, context) }
            })
    }
    /// Output for the next tokens of sequences, which continue from a cache.
    ///
    /// The outputs do not depend on how a sequence is split into calls, except that a pooled output is the mean over the tokens
    /// of one call.
    /// - Parameter state: the cache; updated.
    public func callAsFunction(_ inputs: Tensor, state: inout Cache, _ context: ForwardContext) -> Variable {
        // Moved, not copied: uniquely referenced storage can be updated in place.
        var s: Cache? = state
        state.layers = []
        let y = run([inputs], &s, context)
        state = s!
        return y
    }

    private func run(_ inputs: [Tensor], _ state: inout Cache?, _ context: ForwardContext) -> Variable {
        var x: Variable
        if let streams {
            x = context.scope("streams") { streams(inputs, context) }
        } else {
            guard inputs.count == 1 else { nstmFatal(.other(op: "model", "\(inputs.count) inputs, expected 1")) }
            x = context.scope(SequenceModel.name(of: shape.input)) { embedder(inputs[0], context) }
        }
        if let positions {
            let start = state?.layers.first?.position ?? 0, end = start + x.shape[1]
            guard end <= positions.value.shape[0] else {
                nstmFatal(.other(op: "positions", "\(end) tokens exceed the \(positions.value.shape[0]) learned positions"))
            }
            x = x + context[positions].slice(axis: 0, start..<end)
        }
        if let inputNorm { x = context.scope("inputNorm") { inputNorm(x, context) } }
        x = x.dropout(shape.dropout, context, purpose: "input dropout")
        for (i, block) in blocks.enumerated() {
            x = context.scope(blockNames[i]) {
                var layer = state?.layers[i]
                if layer != nil { state!.layers[i] = MixerCache() }
                defer { if let layer { state!.layers[i] = layer } }
                return block(x, &layer, dropout: shape.dropout, recompute: shape.recompute, context)
            }
        }
        x = context.scope("norm") { norm(x, context) }
        if case .pooled = shape.output { x = x.mean(axes: [1]) }
        return context.scope("head") { head.map { $0(x, context) } ?? context.linear(x, embedder.table!) }
    }
}

extension SequenceModel {
    /// A pre-norm residual block, [B, T, D] → [B, T, D]: norm → mixer → add, norm → feed-forward → add.
    public final class Block {
        enum Norm {
            case layer(LayerNorm), rms(RMSNorm), none
            init(_ parameters: ParameterBuilder, _ kind: BlockOptions.Norm, _ width: Int) {
                switch kind {
                case .layer: self = .layer(LayerNorm(parameters, width: width, bias: false))
                case .biasedLayer: self = .layer(LayerNorm(parameters, width: width))
                case .rms: self = .rms(RMSNorm(parameters, width: width))
                case .none: self = .none
                }
            }
            func callAsFunction(_ x: Variable, _ context: ForwardContext) -> Variable {
                switch self {
                case .layer(let n): n(x, context)
                case .rms(let n): n(x, context)
                case .none: x
                }
            }
        }
        /// The first sublayer.
        public let mixer: any SequenceMixer
        /// The second sublayer; nil without one.
        public let feedForward: (any SequenceMixer)?
        private let norm1: Norm
        private let norm2: Norm?
        private let isResidual: Bool

        init(
            _ parameters: ParameterBuilder, width: Int, norm: BlockOptions.Norm, mixer: any SequenceMixer,
            feedForward: (() -> any SequenceMixer)?, isResidual: Bool
        ) {
            norm1 = Norm(parameters.child("norm1"), norm, width)
            norm2 = feedForward == nil ? nil : Norm(parameters.child("norm2"), norm, width)
            self.mixer = mixer
            self.feedForward = feedForward?()
            self.isResidual = isResidual
        }
        /// The initial cache of the mixer, with the variables of the feed-forward layer added.
        func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
            var state = context.scope("mixer") { mixer.initialState(batch: batch, context) }
            guard let feedForward else { return state }
            let second = context.scope("feedForward") { feedForward.initialState(batch: batch, context) }
            for name in second.names { state[name] = second[name]! }
            return state
        }
        func callAsFunction(
            _ x: Variable, _ state: inout MixerCache?, dropout: Double, recompute: Bool, _ context: ForwardContext
        ) -> Variable {
            guard recompute && context.tape.isRecording else { return run(x, &state, dropout, context) }
            /// Names and position of the resulting cache: its parts that are not variables.
            final class End {
                var names: [String] = []
                var position = 0
            }
            let names = state?.names ?? [], position = state?.position, end = End()
            let results = context.checkpointed([x] + names.map { state![$0]! }) { [self] context, inputs in
                var state = position.map { MixerCache(position: $0, zip(names, inputs.dropFirst())) }
                let y = run(inputs[0], &state, dropout, context)
                guard let state else { return [y] }
                end.names = state.names
                end.position = state.position
                return [y] + state.names.map { state[$0]! }
            }
            if state != nil { state = MixerCache(position: end.position, zip(end.names, results.dropFirst())) }
            return results[0]
        }
        private func run(_ x: Variable, _ state: inout MixerCache?, _ dropout: Double, _ context: ForwardContext) -> Variable {
            let normed = context.scope("norm1") { norm1(x, context) }
            let mixed = context.scope("mixer") { mixer(normed, &state, context) }
                .dropout(dropout, context, purpose: "mixer dropout")
            let y = isResidual ? x + mixed : mixed
            guard let norm2, let feedForward else { return y }
            let fed = context.scope("feedForward") { feedForward(norm2(y, context), &state, context) }
                .dropout(dropout, context, purpose: "feed-forward dropout")
            return isResidual ? y + fed : fed
        }
    }
}
