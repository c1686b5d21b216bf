import NSTMConfiguration
import NSTMMemory

/// The strategies that configurations can name. Extend a copy of `.standard`:
///
///     var strategies = Strategies.standard
///     strategies.updates.register(MyRule.Configuration.self)
public struct Strategies: Sendable {
    public var routings = Registry<any RoutingConfiguration, LayerDimensions>()
    public var updates = Registry<any UpdateRuleConfiguration, LayerDimensions>()
    public var interactions = Registry<any InteractionConfiguration, LayerDimensions>()
    public var readouts = Registry<any ReadoutConfiguration, LayerDimensions>()
    public var prunings = Registry<any PruningPolicy, LayerDimensions>()
    public var allocations = Registry<any AllocationPolicy, LayerDimensions>()
    public var activations = Registry<any ActivationPolicy, LayerDimensions>()
    public var embedders = Embedders()

    /// External memories, with their addressings and controllers.
    public var memory = MemoryStrategies()

    /// Without any strategy.
    public init() {}

    /// All strategies of NSTM.
    public static var standard: Strategies {
        var s = Strategies()
        s.routings.register(TopKRouting.Configuration.self)
        s.routings.register(TopKRouting.DenseConfiguration.self)
        s.routings.register(SoftmaxRouting.Configuration.self)
        s.routings.register(BalancedTopKRouting.Configuration.self)
        s.routings.register(GumbelRouting.Configuration.self)
        s.routings.register(SinkhornRouting.Configuration.self)
        s.routings.register(ContentRouting.Configuration.self)
        s.routings.register(HashRouting.Configuration.self)
        s.routings.register(AllRouting.Configuration.self)
        s.routings.register(RandomRouting.Configuration.self)
        s.routings.register(RoundRobinRouting.Configuration.self)
        s.routings.register(PointerRouting.Configuration.self)

        s.updates.register(GatedSlotsRule.Configuration.self)
        s.updates.register(MinGRURule.Configuration.self)
        s.updates.register(MinLSTMRule.Configuration.self)
        s.updates.register(ContentSlotsRule.Configuration.self)
        s.updates.register(GRURule.Configuration.self)
        s.updates.register(LSTMRule.Configuration.self)
        s.updates.register(SlotAttentionRule.Configuration.self)
        s.updates.register(IndependentMechanismsRule.Configuration.self)
        s.updates.register(GatedLinearRule.Configuration.self)
        s.updates.register(ScalarDecayRule.Configuration.self)
        s.updates.register(LinearAttentionRule.Configuration.self)
        s.updates.register(DeltaRule.Configuration.self)
        s.updates.register(DeltaRule.GatedConfiguration.self)
        s.updates.register(WKVRule.Configuration.self)
        s.updates.register(SelectiveDiagonalRule.Configuration.self)
        s.updates.register(DiagonalSSM.Configuration.self)

        s.interactions.register(StateAttentionInteraction.Configuration.self)
        s.interactions.register(RelationalInteraction.Configuration.self)
        s.interactions.register(SparseAttentionInteraction.Configuration.self)
        s.interactions.register(LowRankInteraction.Configuration.self)

        s.readouts.register(ContentReadout.Configuration.self)
        s.readouts.register(LinearReadout.Configuration.self)
        s.readouts.register(RoutedReadout.Configuration.self)

        s.prunings.register(ThresholdPruning.self)
        s.prunings.register(TopKPruning.self)
        s.prunings.register(HardConcretePruning.self)
        s.prunings.register(LeastRecentlyUsedPruning.self)
        s.prunings.register(TaylorPruning.self)
        s.prunings.register(RandomPruning.self)
        s.prunings.register(AblationPruning.self)

        s.allocations.register(StaticAllocation.self)
        s.allocations.register(NoveltyAllocation.self)
        s.allocations.register(SurpriseAllocation.self)
        s.allocations.register(SaturationAllocation.self)
        s.allocations.register(PlateauAllocation.self)

        s.activations.register(NoveltyActivation.self)

        s.memory = .standard
        return s
    }
}
