import NSTMModules

/// How the states of a layer live and die in training.
public struct LifePlan: Sendable {
    public var limits = LifeLimits()
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
    init?(_ config: ConfigReader, _ site: StrategySite, _ strategies: Strategies) {
        let prune = config.child("pruning"), allocate = config.child("allocation")
        let kind = prune.choice("policy", of: ["none"] + strategies.prunings.names, default: "none")
        if kind != "none" { pruning = (try? strategies.prunings.resolve(kind)).map { $0(prune, site) } }
        if let make = allocate.factory("policy", in: strategies.allocations, default: "static") {
            allocation = make(allocate, site)
        }
        let activate = config.child("activation"),
            way = activate.choice(
                "policy", of: ["none"] + strategies.activations.names, default: "none")
        if way != "none" { activation = (try? strategies.activations.resolve(way)).map { $0(activate, site) } }
        activate.finish()
        prune.finish()
        allocate.finish()
        limits.interval = config.int("interval", default: limits.interval, in: 1...1_000_000_000)
        limits.warmup = config.int("warmup", default: limits.warmup, in: 0...1_000_000_000)
        limits.patience = config.int("patience", default: limits.patience, in: 1...1_000_000)
        limits.budget = config.int("budget", default: limits.budget, in: 1...65_536)
        limits.grace = config.int("grace", default: limits.grace, in: 0...1_000_000_000)
        limits.minimum = config.int("minimum", default: limits.minimum, in: site.choices)
        limits.pause = config.int("pause", default: limits.pause, in: 0...1_000_000)
        start = config.optionalInt("start", in: site.choices)
        beginning = config.choice("beginning", default: beginning)
        noise = config.double("noise", default: noise, in: 0...10)
        smoothing = config.double("smoothing", default: smoothing, in: 0..<1)
        config.finish()
    }
}

extension Strategies {
    mutating func registerLife() {
        prunings.register("threshold") { config, _ in
            let below = config.double("below", default: 0.1, in: -1e9...1e9)
            return ThresholdPruning(
                measure: config.choice("measure", default: StateMeasure.importance), below: below,
                above: config.double("above", default: max(below, 1.5 * below), in: below...1e9))
        }
        prunings.register("top-k") { config, site in
            TopKPruning(
                measure: config.choice("measure", default: StateMeasure.importance), keep: config.int("keep", in: site.choices))
        }
        prunings.register("hard-concrete") { config, _ in KeepGatePruning(atMost: config.double("at-most", default: 0, in: 0...1))
        }
        prunings.register("least-recently-used") { config, site in
            let keep = config.optionalInt("keep", in: site.choices)
            let after = config.optionalInt("after", in: 1...1_000_000_000)
            return LeastRecentlyUsedPruning(after: after ?? (keep == nil ? 1000 : nil), keep: keep)
        }
        prunings.register("taylor") { config, site in
            let keep = config.optionalInt("keep", in: site.choices)
            return TaylorPruning(keep: keep, below: config.double("below", default: keep == nil ? 0.1 : 0, in: 0...1e9))
        }
        prunings.register("random") { config, site in
            RandomPruning(keep: config.int("keep", in: site.choices), seed: config.int("seed", default: 0, in: 0...Int.max))
        }
        prunings.register("ablation") { config, site in
            let keep = config.optionalInt("keep", in: site.choices), below = config.optionalDouble("below", in: -1e9...1e9)
            return AblationPruning(keep: keep, below: below ?? (keep == nil ? 0 : nil))
        }
        activations.register("novelty") { config, site in
            NoveltyActivation(
                interval: config.int("interval", default: 8, in: 1...1_000_000),
                start: config.int("start", default: min(4, site.states), in: site.choices),
                above: config.double("above", default: 0.5, in: 0...2),
                budget: config.int("budget", default: site.states, in: 1...65_536))
        }
        allocations.register("static") { _, _ in StaticAllocation() }
        allocations.register("novelty") { config, _ in NoveltyAllocation(above: config.double("above", default: 0.5, in: 0...2)) }
        allocations.register("surprise") { config, _ in SurpriseAllocation(above: config.double("above", default: 3, in: 0...1e6))
        }
        allocations.register("saturation") { config, _ in
            SaturationAllocation(above: config.double("above", default: 0.5, in: 0...1))
        }
        allocations.register("plateau") { config, _ in
            PlateauAllocation(
                decisions: config.int("decisions", default: 5, in: 1...1_000_000),
                margin: config.double("margin", default: 0.005, in: 0...1e6))
        }
    }
}
