import NSTMConfiguration
import NSTMModules
import NSTMTensor

extension NSTMLayer {
    /// The configuration of the NSTM layers of a model: the strategies and the remaining settings.
    public struct Configuration: Sendable {
        /// States of each layer; one number for all layers when the configuration gives one.
        ///
        /// A bidirectional block has two layers.
        public var states = [32]
        /// Whether every block reads the sequence from both ends (`BidirectionalLayer`).
        public var isBidirectional = false
        /// The routing policy.
        public var router: any RoutingConfiguration = TopKRouting.Configuration()
        /// The update rule.
        public var update: any UpdateRuleConfiguration = GatedSlotsRule.Configuration()
        /// Interaction among states; nil: states do not interact.
        public var interaction: (any InteractionConfiguration)?
        /// Tokens between two interactions.
        public var interval = 64
        /// Readout; nil: the default of the routing policy, or else of the update rule.
        public var readout: (any ReadoutConfiguration)?
        /// Window of the local causal attention in tokens; nil: none.
        public var window: Int?
        /// Width of the short convolution in tokens.
        public var convolution = 4
        /// Weight of the expected number of active states in the loss; nil: states have no gates.
        public var l0Penalty: Double?
        /// Pruning, allocation and activation of states; nil: all states are always active.
        public var lifecycle: StateLifecycleConfiguration?
        private var width = 0
        private var heads = 0

        public init() {}
        /// Reads `states`, `router`, `update`, `interaction`, `read`, `convolution`, `l0-penalty`, `bidirectional` and
        /// `lifecycle`.
        ///
        /// `states` is a number, or a list with one number per layer, as after the removal of states.
        /// - Parameter layers: number of blocks of the model.
        public init(_ reader: ConfigurationReader, width: Int, heads: Int, layers: Int = 1, strategies: Strategies) {
            read(reader, width: width, heads: heads, layers: layers, strategies: strategies)
        }
        /// Reads all keys, with the current values as defaults.
        private mutating func read(_ reader: ConfigurationReader, width: Int, heads: Int, layers: Int, strategies: Strategies) {
            self.width = width
            self.heads = heads
            isBidirectional = reader.bool("bidirectional", default: isBidirectional)
            let layers = isBidirectional ? 2 * layers : layers, choices: ClosedRange<Int>?
            switch reader.intOrInts("states", default: states[0], in: 1...65_536) {
            case .one(let n):
                states = [n]
                choices = nil
            case .each(let list):
                states = list
                choices = 1...65_536
                if list.count != layers { reader.addIssue("states", "\(list.count) numbers of states for \(layers) layers") }
            }
            // Defaults and ranges are those of the largest layer.
            let largest = LayerDimensions(width: width, heads: heads, states: states.max()!, choices: choices)
            let route = reader.child("router"), write = reader.child("update"), exchange = reader.child("interaction")
            router = route.value(in: strategies.routings, default: router, largest)
            update = write.value(in: strategies.updates, default: update, largest)
            interaction = exchange.optionalValue(in: strategies.interactions, default: interaction, largest)
            if interaction != nil { interval = exchange.int("interval", default: interval, in: 1...1_000_000) }
            let read = reader.child("read"), usual = readout ?? router.defaultReadout ?? update.defaultReadout
            readout = read.value(in: strategies.readouts, default: usual, largest)
            window = read.optionalInt("window", default: window, in: 1...1_000_000)
            for section in [route, write, exchange, read] { section.finish() }
            convolution = reader.int("convolution", default: convolution, in: 1...64)
            l0Penalty = reader.optionalDouble("l0-penalty", default: l0Penalty, in: 0...1e6)
            if reader.contains("lifecycle") && lifecycle == nil { lifecycle = StateLifecycleConfiguration() }
            lifecycle?.read(reader.child("lifecycle"), largest, strategies)
        }

        /// The layer of a block.
        /// - Parameter layer: index of the layer in the model, for layers with different numbers of states.
        public func layer(_ parameters: ParameterBuilder, layer: Int = 0, residual: Initializer) -> NSTMLayer {
            let n = states.count == 1 ? states[0] : states[layer]
            return NSTMLayer(
                parameters, width: width, heads: heads, states: n, parts: parts(states: n), interval: interval, window: window,
                convolutionWidth: convolution, l0Penalty: l0Penalty, lifecycle: lifecycle, residual: residual)
        }
        fileprivate func parts(states: Int) -> NSTMLayer.Parts {
            let size = LayerDimensions(width: width, heads: heads, states: states), read = readout ?? update.defaultReadout
            return NSTMLayer.Parts(
                routing: { router.make($0, size) }, update: { update.make($0, size) },
                interaction: interaction.map { interaction in { interaction.make($0, size) } }, readout: { read.make($0, size) })
        }
        /// The mixer of a block: a layer, or two that read the sequence in both directions.
        public func mixer(_ parameters: ParameterBuilder, block: Int, residual: Initializer) -> any SequenceMixer {
            guard isBidirectional else { return layer(parameters, layer: block, residual: residual) }
            return BidirectionalLayer(
                forward: layer(parameters.child("forward"), layer: 2 * block, residual: residual),
                backward: layer(parameters.child("backward"), layer: 2 * block + 1, residual: residual))
        }
    }
}

// MARK: In Swift

extension NSTMLayer.Configuration {
    /// The settings as Swift values, with the defaults, ranges and errors of a configuration; an invalid value stops the program.
    ///
    ///     NSTMLayer.Configuration(width: 128, heads: 4, router: .topK(4), update: .gatedDelta, window: 16)
    ///
    /// - Parameters:
    ///   - layers: number of blocks of the model.
    ///   - interval: tokens between two interactions.
    ///   - read: nil: the default of the routing policy, or else of the update rule.
    ///   - window: tokens of the local causal attention; nil: none.
    public init(
        width: Int, heads: Int, layers: Int = 1, states: Int = 32, router: any RoutingConfiguration = TopKRouting.Configuration(),
        update: any UpdateRuleConfiguration = .gatedSlots, interaction: (any InteractionConfiguration)? = nil,
        interval: Int = 64, read: (any ReadoutConfiguration)? = nil, window: Int? = nil, convolution: Int = 4,
        l0Penalty: Double? = nil, bidirectional: Bool = false, lifecycle: StateLifecycleConfiguration? = nil
    ) {
        self.states = [states]
        self.router = router
        self.update = update
        self.interaction = interaction
        self.interval = interval
        readout = read
        self.window = window
        self.convolution = convolution
        self.l0Penalty = l0Penalty
        isBidirectional = bidirectional
        self.lifecycle = lifecycle
        let reader = ConfigurationReader([:])
        if heads < 1 || width % heads != 0 { reader.addIssue("heads", "\(heads) does not divide the width \(width)") }
        // Every strategy is given: an empty map reads its settings with what was given as defaults.
        self.read(reader, width: width, heads: heads, layers: layers, strategies: Strategies())
        do { try reader.throwIfInvalid() } catch { nstmFatal(.other(op: "NSTMLayer.Configuration", "\(error)")) }
    }
}

extension NSTMLayer {
    /// A layer of strategies with their settings (`NSTMLayer.Configuration`).
    ///
    ///     NSTMLayer(
    ///         parameters, width: 128, heads: 4, router: .topK(4), update: .gatedDelta, interaction: .attention(), window: 16)
    public convenience init(
        _ parameters: ParameterBuilder, width: Int, heads: Int, states: Int = 32, router: any RoutingConfiguration,
        update: any UpdateRuleConfiguration, interaction: (any InteractionConfiguration)? = nil, interval: Int = 64,
        read: (any ReadoutConfiguration)? = nil, window: Int? = nil, convolution: Int = 4, l0Penalty: Double? = nil,
        lifecycle: StateLifecycleConfiguration? = nil, residual: Initializer = .fanIn
    ) {
        let settings = Configuration(
            width: width, heads: heads, states: states, router: router, update: update, interaction: interaction,
            interval: interval, read: read, window: window, convolution: convolution, l0Penalty: l0Penalty, lifecycle: lifecycle)
        self.init(
            parameters, width: width, heads: heads, states: states, parts: settings.parts(states: states), interval: interval,
            window: window, convolutionWidth: convolution, l0Penalty: l0Penalty, lifecycle: lifecycle, residual: residual)
    }
}

extension NSTMModel {
    /// A model of strategies with their settings, the same in every block.
    ///
    ///     NSTMModel(ParameterBuilder(seed: 1), shape, states: 32, router: .topK(4), update: .gatedDelta)
    public convenience init(
        _ builder: ParameterBuilder, _ shape: ModelConfiguration, states: Int = 32, router: any RoutingConfiguration,
        update: any UpdateRuleConfiguration, interaction: (any InteractionConfiguration)? = nil, interval: Int = 64,
        read: (any ReadoutConfiguration)? = nil, window: Int? = nil, convolution: Int = 4, l0Penalty: Double? = nil,
        bidirectional: Bool = false, lifecycle: StateLifecycleConfiguration? = nil
    ) {
        let settings = NSTMLayer.Configuration(
            width: shape.width, heads: shape.heads, layers: shape.layers, states: states, router: router, update: update,
            interaction: interaction, interval: interval, read: read, window: window, convolution: convolution,
            l0Penalty: l0Penalty, bidirectional: bidirectional, lifecycle: lifecycle)
        self.init(builder, shape) { settings.mixer($0, block: $1, residual: $2) }
    }
}
