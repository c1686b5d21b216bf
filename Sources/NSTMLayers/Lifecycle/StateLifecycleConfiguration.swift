import NSTMConfiguration
import NSTMModules

/// The configuration of pruning and allocation of states in training, and of their activation within a sequence.
public struct StateLifecycleConfiguration: Sendable {
    /// Limits that apply to all policies.
    public var limits = Limits()
    /// The pruning policy; nil: states are not pruned.
    public var pruning: (any PruningPolicy)?
    /// The allocation policy.
    public var allocation: any AllocationPolicy = StaticAllocation()
    /// Activation of states within a sequence, in training and afterwards; nil: all active states are used.
    public var activation: (any ActivationPolicy)?
    /// Whether states can change between training steps.
    var isEventful: Bool { pruning != nil || !(allocation is StaticAllocation) }
    /// Initial parameters of a new state.
    public enum Initialization: String, Sendable, CaseIterable {
        /// The parameters of the most important state, with noise.
        case copy
        /// The stored parameters at the index, those of the previous state there.
        case stored
    }
    /// Initial parameters of a new state.
    public var initialization = Initialization.copy
    /// Standard deviation of the noise on a copy, relative to that of the parameter.
    public var noise = 0.1
    /// Number of active states before the first step; nil: all.
    public var initialActive: Int?
    /// Decay β of the moving averages, per step.
    public var smoothing = 0.99

    public init() {}

    /// Reads `pruning`, `allocation`, `activation`, `initial-active`, `initialization`, `noise`, `smoothing` and the limits, with
    /// the current values as defaults.
    mutating func read(_ reader: ConfigurationReader, _ layer: LayerDimensions, _ strategies: Strategies) {
        let prune = reader.child("pruning"), allocate = reader.child("allocation"), activate = reader.child("activation")
        pruning = prune.optionalValue(in: strategies.prunings, default: pruning, layer)
        allocation = allocate.value(in: strategies.allocations, default: allocation, layer)
        activation = activate.optionalValue(in: strategies.activations, default: activation, layer)
        activate.finish()
        prune.finish()
        allocate.finish()
        limits.interval = reader.int("interval", default: limits.interval, in: 1...1_000_000_000)
        limits.warmup = reader.int("warmup", default: limits.warmup, in: 0...1_000_000_000)
        limits.consecutiveVotes = reader.int("consecutive-votes", default: limits.consecutiveVotes, in: 1...1_000_000)
        limits.maxChanges = reader.int("max-changes", default: limits.maxChanges, in: 1...65_536)
        limits.gracePeriod = reader.int("grace-period", default: limits.gracePeriod, in: 0...1_000_000_000)
        limits.minActive = reader.int("min-active", default: limits.minActive, in: layer.choices)
        limits.cooldown = reader.int("cooldown", default: limits.cooldown, in: 0...1_000_000)
        initialActive = reader.optionalInt("initial-active", default: initialActive, in: layer.choices)
        initialization = reader.choice("initialization", default: initialization)
        noise = reader.double("noise", default: noise, in: 0...10)
        smoothing = reader.double("smoothing", default: smoothing, in: 0..<1)
        reader.finish()
    }
}
