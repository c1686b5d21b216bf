import NSTMAutograd
import NSTMModules
import NSTMTensor

/// One layer of explicit states: tokens are routed to states, a rule updates the states, states talk now and then, tokens read.
///
///     q, k, v = silu(conv(x W))                      short causal convolution
///     w = policy(x)                                  where the token goes, one row for all heads
///     states ← rule(states, k, v, w)
///     o = read(q, states, local window)
///     y = (RMSNorm(o) ⊙ silu(x G)) O
///
/// `Documentation/Mathematics.md` has the details and the sources.
public final class NSTMLayer: SequenceMixer {
    public let manager: StateManager
    public let router: TokenToStateRouter
    public let propagator: StatePropagator
    public let attention: HybridAttention
    private let projection: Linear
    let convolution: CausalConvolution
    private let gate: Linear
    private let norm: RMSNorm
    private let output: Linear
    let width: Int

    /// The parts that can be exchanged, each built from a parameter builder that carries its name.
    public struct Parts {
        public var routing: (ParameterBuilder) -> any RoutingPolicy
        public var update: (ParameterBuilder) -> any StateUpdateRule
        public var interaction: ((ParameterBuilder) -> any StateInteraction)?
        public var readout: (ParameterBuilder) -> any StateReadout
        public init(
            routing: @escaping (ParameterBuilder) -> any RoutingPolicy,
            update: @escaping (ParameterBuilder) -> any StateUpdateRule,
            interaction: ((ParameterBuilder) -> any StateInteraction)? = nil,
            readout: @escaping (ParameterBuilder) -> any StateReadout = { _ in ContentRead() }
        ) {
            self.routing = routing
            self.update = update
            self.interaction = interaction
            self.readout = readout
        }
    }

    /// - Parameters:
    ///   - states: number of states N.
    ///   - interval: tokens between two conversations of the states.
    ///   - window: local causal window W, nil for none.
    ///   - keepPenalty: weight of the learned keep gate's price, nil for no gate.
    public init(
        _ parameters: ParameterBuilder, width: Int, heads: Int, states: Int, parts: Parts, interval: Int = 64, window: Int? = nil,
        convolutionWidth: Int = 4, keepPenalty: Double? = nil, residual: Initializer = .fanIn
    ) {
        self.width = width
        manager = StateManager(parameters.child("states"), width: width, states: states, heads: heads, keepPenalty: keepPenalty)
        router = TokenToStateRouter(parts.routing(parameters.child("router")))
        propagator = StatePropagator(
            parts.update(parameters.child("update")), interaction: parts.interaction.map { $0(parameters.child("interaction")) },
            interval: interval)
        attention = HybridAttention(
            parameters.child("read"), readout: parts.readout(parameters.child("read")), window: window, heads: heads)
        projection = Linear(parameters.child("projection"), in: width, out: 3 * width, bias: false)
        convolution = CausalConvolution(parameters.child("convolution"), channels: 3 * width, width: convolutionWidth, silu: true)
        gate = Linear(parameters.child("gate"), in: width, out: width, bias: false)
        norm = RMSNorm(parameters.child("norm"), width: width)
        output = Linear(parameters.child("output"), in: width, out: width, bias: false, initializer: residual)
    }

    public func initialState(batch: Int, _ context: ForwardContext) -> MixerState {
        // Who is active does not matter yet; each pass over tokens asks the manager, and pays for the keep gates, once.
        let bank = manager.beginning(batch: batch, StateActivity(heads: manager.heads), context)
        let dtype = bank.keys.dtype
        var s = MixerState()
        s["keys"] = bank.keys
        s["values"] = bank.values
        s["convolution"] = convolution.beginning(batch: batch, context)
        if let carried = router.beginning(batch: batch, dtype) { s["routing"] = context.constant(carried) }
        if attention.window != nil { s["window"] = context.constant(Tensor(repeating: 0, [batch, 0, 3 * width], dtype: dtype)) }
        return s
    }

    public func callAsFunction(_ x: Variable, _ state: inout MixerState?, _ context: ForwardContext) -> Variable {
        let batch = x.shape[0], activity = manager.activity(batch: batch, context), position = state?.position ?? 0
        let states: StateBank
        if let state {
            states = StateBank(keys: state["keys"]!, values: state["values"]!, activity: activity)
        } else {
            states = manager.beginning(batch: batch, activity, context)
        }
        let projected = context.scope("projection") { projection(x, context) }
        let qkv = context.scope("convolution") { convolution(projected, &state, "convolution", context) }
        let (routing, carried) = context.scope("router") {
            router.route(x, activity, position: position, carried: state?["routing"], context)
        }
        let (reads, next) = propagator(
            tokens: x, qkv: qkv, routing: routing, states: states, readout: attention.readout, position: position, context)
        let (o, window) = context.scope("read") { attention.mix(reads, qkv: qkv, history: state?["window"], context) }
        if state != nil {
            state!["keys"] = next.keys
            state!["values"] = next.values
            if let carried { state!["routing"] = carried }
            if let window { state!["window"] = window }
            state!.position += x.shape[1]
        }
        return context.scope("output") {
            output(o.gatedRMSNorm(gain: context[norm.gain], gate: gate(x, context), epsilon: norm.epsilon), context)
        }
    }
}

/// A sequence model whose mixers are layers of explicit states.
public final class NSTMModel: SequenceModel {
    public init(
        _ builder: ParameterBuilder, _ shape: ModelShape,
        layer: (_ parameters: ParameterBuilder, _ block: Int, _ residual: Initializer) -> NSTMLayer
    ) {
        super.init(builder, shape, norm: .rms) { layer($0, $1, $2) }
    }
    /// The layers of states, first to last.
    public var stateLayers: [NSTMLayer] { blocks.compactMap { $0.mixer as? NSTMLayer } }
}
