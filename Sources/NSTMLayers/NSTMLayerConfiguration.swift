import NSTMConfiguration
import NSTMModules
import NSTMTensor

/// Everything that makes the NSTM layers of a model, as a configuration says it.
public struct NSTMLayerConfiguration {
    /// States of each layer; one number for all layers when the configuration gives one. Where sequences are read both ways a block has
    /// two layers.
    public let states: [Int]
    /// Whether every block reads the sequence from both ends (`BidirectionalLayer`).
    public let isBidirectional: Bool
    private let width: Int
    private let heads: Int
    /// By number of states: strategies are built for their dimensions.
    let parts: [Int: NSTMLayer.Parts]
    let interval: Int
    let window: Int?
    private let convolutionWidth: Int
    private let l0Penalty: Double?
    private var life: StateLifecycleConfiguration?

    /// Reads `states`, `router`, `update`, `interaction`, `read`, `convolution`, `keep-penalty`, `bidirectional` and `life`.
    ///
    /// `states` is a number, or a list with one number for each layer; that is what is left when states have been removed.
    /// - Parameter layers: how many blocks the model has.
    public init(_ config: ConfigurationReader, width: Int, heads: Int, layers: Int = 1, strategies: Strategies) {
        self.width = width
        self.heads = heads
        let choices: ClosedRange<Int>?
        isBidirectional = config.bool("bidirectional", default: false)
        let layers = isBidirectional ? 2 * layers : layers
        switch config.intOrInts("states", default: 32, in: 1...65_536) {
        case .one(let n):
            states = [n]
            choices = nil
        case .each(let list):
            states = list
            choices = 1...65_536
            if list.count != layers { config.addIssue("states", "\(list.count) numbers of states for \(layers) layers") }
        }
        convolutionWidth = config.int("convolution", default: 4, in: 1...64)
        l0Penalty = config.optionalDouble("keep-penalty", in: 0...1e6)
        window = config.child("read").optionalInt("window", in: 1...1_000_000)
        let talk = config.child("interaction"), kinds = ["none"] + strategies.interactions.names
        let talks = talk.choice("kind", of: kinds, default: "none") != "none"
        interval = talks ? talk.int("interval", default: 64, in: 1...1_000_000) : 64

        func dimensions(_ states: Int) -> LayerDimensions {
            LayerDimensions(width: width, heads: heads, states: states, choices: choices)
        }
        // The largest layer finds the issues and says what the defaults are; the others are read from that.
        let largest = states.max()!
        life = config.contains("life") ? StateLifecycleConfiguration(config.child("life"), dimensions(largest), strategies) : nil
        var parts = [largest: NSTMLayerConfiguration.read(config, dimensions(largest), strategies)]
        let again = ConfigurationReader(config.resolved)
        for n in states where parts[n] == nil { parts[n] = NSTMLayerConfiguration.read(again, dimensions(n), strategies) }
        self.parts = parts
    }
    private static func read(_ config: ConfigurationReader, _ dimensions: LayerDimensions, _ strategies: Strategies)
        -> NSTMLayer.Parts
    {
        let router = config.child("router"), update = config.child("update"), read = config.child("read")
        let routing = router.factory("policy", in: strategies.routings, default: "top-k").map { $0(router, dimensions) }
        let rule = update.factory("rule", in: strategies.updates, default: "gated-slots").map { $0(update, dimensions) }
        let usual = strategies.usualReadout(
            routing: router.string("policy", default: "top-k"), update: update.string("rule", default: "gated-slots"))
        let readout = read.factory("kind", in: strategies.readouts, default: usual).map { $0(read, dimensions) }
        let talk = config.child("interaction")
        let kind = talk.string("kind", default: "none")
        let interaction = kind == "none" ? nil : (try? strategies.interactions.resolve(kind)).map { $0(talk, dimensions) }
        for reader in [router, update, read, talk] { reader.finish() }
        // A strategy that could not be resolved has left an issue, and an invalid configuration builds nothing.
        return NSTMLayer.Parts(
            routing: routing ?? { _ in fatalError("no routing policy") }, update: rule ?? { _ in fatalError("no update rule") },
            interaction: interaction, readout: readout ?? { _ in ContentReadout() })
    }
    /// - Parameter layer: which layer of the model, for those whose numbers of states differ.
    public func layer(_ parameters: ParameterBuilder, layer: Int = 0, residual: Initializer) -> NSTMLayer {
        let n = states.count == 1 ? states[0] : states[layer]
        return NSTMLayer(
            parameters, width: width, heads: heads, states: n, parts: parts[n]!, interval: interval, window: window,
            convolutionWidth: convolutionWidth, l0Penalty: l0Penalty, life: life, residual: residual)
    }
    /// What stands in a block of a model: a layer, or two that read the sequence from both ends.
    public func mixer(_ parameters: ParameterBuilder, block: Int, residual: Initializer) -> any SequenceMixer {
        guard isBidirectional else { return layer(parameters, layer: block, residual: residual) }
        return BidirectionalLayer(
            forward: layer(parameters.child("forward"), layer: 2 * block, residual: residual),
            backward: layer(parameters.child("backward"), layer: 2 * block + 1, residual: residual))
    }
}

// MARK: In Swift

extension NSTMLayerConfiguration {
    /// What a configuration says, in Swift: the same names, defaults and errors, which stop the program here.
    ///
    ///     NSTMLayerConfiguration(width: 128, heads: 4, router: .topK(4), update: .gatedDelta, read: .hybrid(window: 16))
    ///
    /// - Parameter layers: how many blocks the model has.
    public init(
        width: Int, heads: Int, layers: Int = 1, states: Int = 32, router: StrategyChoice<any RoutingPolicy> = .usual,
        update: StrategyChoice<any StateUpdateRule> = .usual, interaction: StrategyChoice<any StateInteraction> = .none,
        read: StrategyChoice<any StateReadout> = .usual, convolution: Int = 4, l0Penalty: Double? = nil,
        bidirectional: Bool = false, life: StateLifecycleConfiguration? = nil, strategies: Strategies = .standard
    ) {
        let reader = ConfigurationReader(
            .map([
                "states": .int(states), "router": router.section("policy"), "update": update.section("rule"),
                "interaction": interaction.section("kind"), "read": read.section("kind"), "convolution": .int(convolution),
                "keep-penalty": l0Penalty.map { .double($0) } ?? .null, "bidirectional": .bool(bidirectional),
            ]))
        if heads < 1 || width % heads != 0 { reader.addIssue("heads", "\(heads) does not divide the width \(width)") }
        self.init(reader, width: width, heads: heads, layers: layers, strategies: strategies)
        self.life = life
        reader.finish()
        do { try reader.throwIfInvalid() } catch { nstmFatal(.other(op: "NSTMLayerConfiguration", "\(error)")) }
    }
}

extension NSTMLayer {
    /// A layer of strategies by name, as a configuration would say it (`NSTMLayerConfiguration`):
    ///
    ///     NSTMLayer(
    ///         parameters, width: 128, heads: 4, states: 32, router: .topK(4), update: .gatedDelta,
    ///         interaction: .attention(heads: 4), read: .hybrid(window: 16))
    public convenience init(
        _ parameters: ParameterBuilder, width: Int, heads: Int, states: Int = 32, router: StrategyChoice<any RoutingPolicy>,
        update: StrategyChoice<any StateUpdateRule>, interaction: StrategyChoice<any StateInteraction> = .none,
        read: StrategyChoice<any StateReadout> = .usual, convolution: Int = 4, l0Penalty: Double? = nil,
        life: StateLifecycleConfiguration? = nil, strategies: Strategies = .standard, residual: Initializer = .fanIn
    ) {
        let plan = NSTMLayerConfiguration(
            width: width, heads: heads, states: states, router: router, update: update, interaction: interaction, read: read,
            convolution: convolution, l0Penalty: l0Penalty, life: life, strategies: strategies)
        self.init(
            parameters, width: width, heads: heads, states: states, parts: plan.parts[states]!, interval: plan.interval,
            window: plan.window, convolutionWidth: convolution, l0Penalty: l0Penalty, life: life, residual: residual)
    }
}

extension NSTMModel {
    /// A model of strategies by name, the same in every block:
    ///
    ///     NSTMModel(ParameterBuilder(seed: 1), shape, states: 32, router: .topK(4), update: .gatedDelta)
    public convenience init(
        _ builder: ParameterBuilder, _ shape: ModelConfiguration, states: Int = 32, router: StrategyChoice<any RoutingPolicy>,
        update: StrategyChoice<any StateUpdateRule>, interaction: StrategyChoice<any StateInteraction> = .none,
        read: StrategyChoice<any StateReadout> = .usual, convolution: Int = 4, l0Penalty: Double? = nil,
        bidirectional: Bool = false, life: StateLifecycleConfiguration? = nil, strategies: Strategies = .standard
    ) {
        let plan = NSTMLayerConfiguration(
            width: shape.width, heads: shape.heads, layers: shape.layers, states: states, router: router, update: update,
            interaction: interaction, read: read, convolution: convolution, l0Penalty: l0Penalty,
            bidirectional: bidirectional, life: life, strategies: strategies)
        self.init(builder, shape) { plan.mixer($0, block: $1, residual: $2) }
    }
}
