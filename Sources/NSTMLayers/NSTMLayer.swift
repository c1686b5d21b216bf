import NSTMAutograd
import NSTMModules
import NSTMTensor

/// A layer of explicit states: tokens are routed to states, a rule updates the states, states interact at intervals, tokens read.
///
///     q, k, v = silu(conv(x W))                      short causal convolution
///     w = policy(x)                                  routing weights, the same for all heads
///     states ← rule(states, k, v, w)
///     o = read(q, states, local window)
///     y = (RMSNorm(o) ⊙ silu(x G)) O
///
/// `Documentation/Mathematics.md` has the details and the sources.
public final class NSTMLayer: SequenceMixer {
    /// The prefix of the paths of all its parameters, such as `blocks.0.mixer`; empty for a layer outside a model.
    public let path: String
    /// Pruning and allocation of states in training; nil: all states are always active.
    public let lifecycle: StateLifecycleConfiguration?
    /// The states of the layer.
    public let manager: StateManager
    /// The router with its policy.
    public let router: TokenToStateRouter
    package let propagator: StatePropagator
    public let attention: HybridAttention
    private let projection: Linear
    let convolution: CausalConvolution
    private let gate: Linear
    private let norm: RMSNorm
    private let output: Linear
    let width: Int
    private let store: ParameterStore
    /// Activation of states within a sequence; nil: all states of the layer are active.
    private let activation: (any ActivationPolicy)?
    /// Intervals in tokens at which parts other than the propagator inspect the states.
    let looks: [Int]

    /// The exchangeable parts, each created with a parameter builder for its path.
    public struct Parts {
        public var routing: (ParameterBuilder) -> any RoutingPolicy
        public var update: (ParameterBuilder) -> any StateUpdateRule
        public var interaction: ((ParameterBuilder) -> any StateInteraction)?
        public var readout: (ParameterBuilder) -> any StateReadout
        public init(
            routing: @escaping (ParameterBuilder) -> any RoutingPolicy,
            update: @escaping (ParameterBuilder) -> any StateUpdateRule,
            interaction: ((ParameterBuilder) -> any StateInteraction)? = nil,
            readout: @escaping (ParameterBuilder) -> any StateReadout = { _ in ContentReadout() }
        ) {
            self.routing = routing
            self.update = update
            self.interaction = interaction
            self.readout = readout
        }
    }

    /// - Parameters:
    ///   - states: number of states N.
    ///   - interval: tokens between two interactions of the states.
    ///   - window: local causal window W, nil for none.
    ///   - l0Penalty: weight of the penalty of the learned L0 gates, nil for no gates.
    ///   - lifecycle: pruning and allocation of states in training; nil: all states are always active.
    public init(
        _ parameters: ParameterBuilder, width: Int, heads: Int, states: Int, parts: Parts, interval: Int = 64, window: Int? = nil,
        convolutionWidth: Int = 4, l0Penalty: Double? = nil, lifecycle: StateLifecycleConfiguration? = nil,
        residual: Initializer = .fanIn
    ) {
        self.width = width
        path = parameters.path
        store = parameters.store
        self.lifecycle = lifecycle
        activation = lifecycle?.activation
        manager = StateManager(parameters.child("states"), width: width, states: states, heads: heads, l0Penalty: l0Penalty)
        router = TokenToStateRouter(parts.routing(parameters.child("router")))
        looks = [lifecycle?.activation?.interval, router.interval].compactMap(\.self)
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
        if let count = lifecycle?.initialActive, count < states { manager.active = (0..<states).map { $0 < count } }
    }

    /// Parameters that this combination of strategies does not use: the initial keys, if tokens read by routing alone and no
    /// other part reads keys.
    public var unusedParameters: [Parameter] {
        let isUnused =
            attention.readout is RoutedReadout && propagator.rule is any TokenDrivenUpdateRule && propagator.interaction == nil
        return isUnused ? [manager.initialKeys] : []
    }
    /// The parameters with one row per state.
    public var stateParameters: [Parameter] {
        store.all.filter { $0.stateAxis != nil && (path.isEmpty || $0.path.hasPrefix(path + ".")) }
    }
    /// Copies the parameters of one state to another index, with noise of a standard deviation relative to that of each
    /// parameter.
    func copyState(from: Int, to: Int, noise: Double, _ key: RandomKey) {
        for p in stateParameters where p !== manager.mask && p !== manager.identityNumbers {
            let axis = p.stateAxis!, row = p.value.select(axis: axis, from),
                deviation = noise * p.value.standardDeviation(correction: 0).item()
            let shift = Tensor.normal(row.shape, standardDeviation: deviation, key: key.fold(p.path), dtype: row.dtype)
            p.value.write(row + shift) { $0.select(axis: axis, to) }
        }
    }

    /// The states before the first token of new sequences, with the usage counts of the rule.
    package func initialState(batch: Int, _ activity: StateActivity, _ context: ForwardContext) -> StateBank {
        var states = manager.initialState(batch: batch, activity, context)
        states.usage = propagator.rule.initialUsage.map {
            context.constant(Tensor(repeating: $0, [batch, manager.count], dtype: manager.initialKeys.value.dtype))
        }
        return states
    }

    public func initialState(batch: Int, _ context: ForwardContext) -> MixerCache {
        // The activity does not matter here; it is computed once per forward pass, with the penalty of the L0 gates.
        let bank = initialState(batch: batch, StateActivity(heads: manager.heads), context)
        let dtype = bank.keys.dtype
        var s = MixerCache()
        s["keys"] = bank.keys
        s["values"] = bank.values
        if let usage = bank.usage { s["usage"] = usage }
        s["convolution"] = convolution.initialState(batch: batch, context)
        if let carried = router.initialState(batch: batch, dtype) { s["routing"] = context.constant(carried) }
        if let own = activation { s["activity"] = context.constant(own.initialState(batch: batch, manager, dtype)) }
        if attention.window != nil { s["window"] = context.constant(Tensor(repeating: 0, [batch, 0, 3 * width], dtype: dtype)) }
        return s
    }

    public func callAsFunction(_ x: Variable, _ state: inout MixerCache?, _ context: ForwardContext) -> Variable {
        let batch = x.shape[0], position = state?.position ?? 0
        let activity = manager.activity(batch: batch, context)
            .observed(batch: batch, count: manager.count, x.dtype, context)
        var states: StateBank
        if let state {
            states = StateBank(keys: state["keys"]!, values: state["values"]!, usage: state["usage"], activity: activity)
        } else {
            states = initialState(batch: batch, activity, context)
        }
        var routing = state?["routing"], own = state?["activity"]?.value
        let projected = context.scope("projection") { projection(x, context) }
        let qkv = context.scope("convolution") { convolution(projected, &state, "convolution", context) }
        let reads = run(x, qkv, &states, &routing, &own, position, context)
        let (o, window) = context.scope("read") { attention.mix(reads, qkv: qkv, history: state?["window"], context) }
        if state != nil {
            state!["keys"] = states.keys
            state!["values"] = states.values
            if let usage = states.usage { state!["usage"] = usage }
            if let routing { state!["routing"] = routing }
            if let own { state!["activity"] = context.constant(own) }
            if let window { state!["window"] = window }
            state!.position += x.shape[1]
        }
        return context.scope("output") {
            output(o.gatedRMSNorm(gain: context[norm.gain], gate: gate(x, context), epsilon: norm.epsilon), context)
        }
    }

    /// Routes tokens and runs them through the states: all at once, or segment by segment if states are activated within a
    /// sequence or the router inspects the states.
    /// - Parameters:
    ///   - routing: what the policy carries from segment to segment.
    ///   - own: the activity of each sequence, [B, N].
    private func run(
        _ x: Variable, _ qkv: Variable, _ states: inout StateBank, _ routing: inout Variable?, _ own: inout Tensor?,
        _ position: Int, _ context: ForwardContext
    ) -> Variable {
        let activity = states.activity
        if let policy = activation, own == nil { own = policy.initialState(batch: x.shape[0], manager, x.dtype) }
        if looks.isEmpty { return part(x, qkv, activity, &states, &routing, &own, position, context) }
        let lengths = StatePropagator.lengths(of: x.shape[1], from: position, looks)
        // A sequence that is not streamed is split into segments too.
        if routing == nil, lengths.count > 1 {
            routing = router.initialState(batch: x.shape[0], x.dtype).map { context.constant($0) }
        }
        var at = position, reads: [Variable] = []
        for (x, qkv) in zip(x.split(axis: 1, lengths), qkv.split(axis: 1, lengths)) {
            reads.append(part(x, qkv, activity, &states, &routing, &own, at, context))
            at += x.shape[1]
        }
        return Variable.concatenate(reads, axis: 1)
    }
    /// Processes a segment; activity and routing keys are updated only at its first token.
    private func part(
        _ x: Variable, _ qkv: Variable, _ activity: StateActivity, _ states: inout StateBank, _ routing: inout Variable?,
        _ own: inout Tensor?, _ at: Int, _ context: ForwardContext
    ) -> Variable {
        if let policy = activation, let before = own {
            var active = before
            if at > 0 && at % policy.interval == 0 {
                let keys = qkv.value.slice(axis: 1, 0..<1).slice(axis: 2, width..<2 * width)
                active = policy.next(active, keys: keys, states: states.keys.value, manager)
            }
            states = StateBank(
                keys: states.keys, values: states.values, usage: states.usage, activity: activity.restricted(to: active, context))
            context.observe("activity") { active }
            own = active
        }
        if let interval = router.interval, at % interval == 0 { routing = states.activity.choosing(states.keys) }
        let routed = context.scope("router") {
            router.route(x, states.activity, position: at, carried: routing, context)
        }
        // Without a cache nothing is carried.
        if routing != nil { routing = routed.carried }
        let result = propagator(
            tokens: x, qkv: qkv, routing: routed, states: states, readout: attention.readout, position: at, context)
        states = result.states
        return result.reads
    }
}

// MARK: Cost

extension NSTMLayer: CostReporting {
    /// Multiply-adds of a pass; nil also if states are activated within a sequence, because the cost then depends on the tokens.
    public func multiplyAdds(_ pass: PassSize) -> Int? {
        let dimensions = LayerDimensions(width: width, heads: manager.heads, states: manager.count)
        let active = manager.activity(batch: 1, ForwardContext(.evaluate)).active(of: manager.count).count
        guard lifecycle?.activation == nil, let router = router.policy as? any RoutingCost else { return nil }
        let states = StatePass(size: pass, dimensions: dimensions, active: active, reached: router.reached(of: active))
        let position = pass.carriesState ? pass.position : 0, interval = propagator.interval
        var sum = router.multiplyAdds(states), cuts = looks
        if let interaction = propagator.interaction {
            guard let exchange = interaction as? any StrategyCost else { return nil }
            // Multiples of the interval among the positions of this pass, without 0.
            let times = (position + pass.tokens - 1) / interval - max(0, position - 1) / interval
            sum += times * exchange.multiplyAdds(states)
            cuts.append(interval)
        }
        for length in StatePropagator.lengths(of: pass.tokens, from: position, cuts) {
            var segment = states
            segment.size.tokens = length
            guard let cost = propagator.multiplyAdds(segment, reading: attention.readout) else { return nil }
            sum += cost
        }
        // Projection, gate and output.
        sum += pass.rows * 5 * width * width + convolution.multiplyAdds(pass)
        return attention.window.map { sum + windowMultiplyAdds(pass, width: width, window: $0) } ?? sum
    }

    /// Bytes carried after a pass: keys, values and usage counts of the states, what the router carries, the activity of each
    /// sequence, the last inputs of the convolution, and the window.
    public func stateBytes(_ pass: PassSize) -> Int? {
        let dtype = manager.initialKeys.value.dtype, n = manager.count
        var elements = n * 2 * width + (convolution.width - 1) * 3 * width
        if propagator.rule.initialUsage != nil { elements += n }
        elements += router.initialState(batch: 1, dtype)?.count ?? 0
        if lifecycle?.activation != nil { elements += n }
        if let window = attention.window { elements += min(window - 1, pass.position + pass.tokens) * 3 * width }
        return pass.batch * elements * dtype.byteCount
    }
}
