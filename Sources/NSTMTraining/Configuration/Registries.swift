import NSTMBaselines
import NSTMConfiguration
import NSTMData
import NSTMLayers
import NSTMMemory
import NSTMOptim

/// Everything that configurations can name. Extend a copy of `.standard`:
///
///     var registries = Registries.standard
///     registries.strategies.updates.register(MyRule.Configuration.self)
public struct Registries: Sendable {
    public var strategies: Strategies
    public var models = Registry<any SequenceModelConfiguration, Strategies>()
    public var datasets = Registry<any DatasetConfiguration, DatasetFolder>()
    public var optimizers = Registry<any Optimizer, Int>.standard
    public var schedules = Registry<any Schedule, Int>.standard

    public init(strategies: Strategies = .standard) {
        self.strategies = strategies
        models.register(NSTMModel.Configuration.self)
        models.register(Transformer.Configuration.self)
        models.register(LinearTransformer.Configuration.self)
        models.register(LSTM.Configuration.self)
        models.register(GRU.Configuration.self)
        models.register(MinGRU.Configuration.self)
        models.register(S4D.Configuration.self)
        models.register(LRU.Configuration.self)
        models.register(Mamba.Configuration.self)
        models.register(Mamba2.Configuration.self)
        models.register(RWKV.Configuration.self)
        models.register(RWKV6.Configuration.self)
        models.register(Hyena.Configuration.self)
        models.register(MemoryNetwork.NTMConfiguration.self)
        models.register(MemoryNetwork.DNCConfiguration.self)
        models.register(MemoryNetwork.Configuration.self)

        datasets.register(TinyShakespeareConfiguration.self)
        datasets.register(TextDataset.Configuration.self)
        datasets.register(MNIST.Configuration.self)
        datasets.register(MNISTQuestions.Configuration.self)
        datasets.register(CopyTask.Configuration.self)
        datasets.register(RecallTask.Configuration.self)
        datasets.register(Synthetic.RepeatCopy.Configuration.self)
        datasets.register(Synthetic.Reverse.Configuration.self)
        datasets.register(Synthetic.AssociativeRecall.Configuration.self)
        datasets.register(Synthetic.NGram.Configuration.self)
        datasets.register(Synthetic.PrioritySort.Configuration.self)
        datasets.register(Synthetic.SelectiveCopying.Configuration.self)
        datasets.register(Synthetic.Induction.Configuration.self)
        datasets.register(Synthetic.Adding.Configuration.self)
        datasets.register(Synthetic.Parity.Configuration.self)
        datasets.register(Synthetic.Sorting.Configuration.self)
        datasets.register(Synthetic.Dyck.Configuration.self)
    }
    public static var standard: Registries { Registries() }
}
