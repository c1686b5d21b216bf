import NSTMConfiguration
import NSTMModules

/// How the states of a layer live and die in training.
public struct StateLifecycleConfiguration: Sendable {
    public var limits = LifecycleLimits()
    public var pruning: (any PruningPolicy)?
    public var allocation: any AllocationPolicy = StaticAllocation()
    /// Which states a sequence uses, in training and afterwards; nil: all that are active.
    public var activation: (any ActivationPolicy)?
    /// Whether anything happens to states between training steps.
    var isEventful: Bool { pruning != nil || !(allocation is StaticAllocation) }
    /// What a new state begins as.
    public enum Beginning: String, Sendable, CaseIterable {
        /// The most important state's parameters, and noise.
        case copy
        /// What lies at its place: the learned beginning of the state that was there before.
        case place
    }
    public var beginning = Beginning.copy
    /// Deviation of the noise on a copy, relative to that of the parameter.
    public var noise = 0.1
    /// States active at the start; nil: all.
    public var start: Int?
    /// β of the moving averages, for each step.
    public var smoothing = 0.99

    public init() {}

    /// Reads `pruning`, `allocation`, `activation`, `start`, `beginning`, `noise`, `smoothing` and the limits.
    /// - Returns: nil when there is no such section: states live for ever, and nothing is observed.
    init?(_ config: ConfigurationReader, _ dimensions: LayerDimensions, _ strategies: Strategies) {
        let prune = config.child("pruning"), allocate = config.child("allocation")
        let kind = prune.choice("policy", of: ["none"] + strategies.prunings.names, default: "none")
        if kind != "none" { pruning = (try? strategies.prunings.resolve(kind)).map { $0(prune, dimensions) } }
        if let make = allocate.factory("policy", in: strategies.allocations, default: "static") {
            allocation = make(allocate, dimensions)
        }
        let activate = config.child("activation"),
            way = activate.choice(
                "policy", of: ["none"] + strategies.activations.names, default: "none")
        if way != "none" { activation = (try? strategies.activations.resolve(way)).map { $0(activate, dimensions) } }
        activate.finish()
        prune.finish()
        allocate.finish()
        limits.interval = config.int("interval", default: limits.interval, in: 1...1_000_000_000)
        limits.warmup = config.int("warmup", default: limits.warmup, in: 0...1_000_000_000)
        limits.patience = config.int("patience", default: limits.patience, in: 1...1_000_000)
        limits.budget = config.int("budget", default: limits.budget, in: 1...65_536)
        limits.grace = config.int("grace", default: limits.grace, in: 0...1_000_000_000)
        limits.minimum = config.int("minimum", default: limits.minimum, in: dimensions.choices)
        limits.pause = config.int("pause", default: limits.pause, in: 0...1_000_000)
        start = config.optionalInt("start", in: dimensions.choices)
        beginning = config.choice("beginning", default: beginning)
        noise = config.double("noise", default: noise, in: 0...10)
        smoothing = config.double("smoothing", default: smoothing, in: 0..<1)
        config.finish()
    }
}
