import NSTM

extension Registries {
    /// Adds everything of this package that a configuration can name.
    public mutating func registerExtensions() {
        strategies.updates.register(LiquidStates.Configuration.self)
        strategies.updates.register(GatedRecurrence.Configuration.self)
        strategies.routings.register(SparsemaxRouting.Configuration.self)
        strategies.prunings.register(LeastFrequentlyUsedPruning.self)
        datasets.register(FlipFlopTask.Configuration.self)
        optimizers.register(Lion.self)
    }
}
