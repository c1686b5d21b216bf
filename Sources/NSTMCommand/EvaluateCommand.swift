import ArgumentParser
import Foundation
import NSTM

struct EvaluateCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "evaluate", abstract: "Measures a trained model on the validation split.",
            discussion: """
                The data is that of the checkpoint's configuration, unless keys under data are set.

                Examples:
                  \(NSTMCommand.program) evaluate runs/tinyshakespeare-nstm
                  \(NSTMCommand.program) evaluate runs/copy-nstm/step-2000.h5 --set "data.evaluation-lengths=[20, 40]"
                """)
    }

    @Argument(help: checkpointHelp) var checkpoint: String
    @Option(help: ArgumentHelp("Where datasets are; nothing is downloaded then.", valueName: "folder")) var data: String?
    @Option(help: ArgumentHelp("Changes a key under data or training.evaluation; may be repeated.", valueName: "key.path=value"))
    var set: [String] = []

    func run() throws {
        let catalogue = NSTMCommand.catalogue
        let others = set.filter { !$0.hasPrefix("data.") && !$0.hasPrefix("training.evaluation.") }
        guard others.isEmpty else { throw CommandError.onlyData(keys: others) }
        let saved = try SavedModel(fileURL(checkpoint), catalogue: catalogue)
        var config = saved.configuration
        try config.apply(overrides: set)
        let experiment = try Experiment(config, catalogue: catalogue, folder: DatasetFolder(data))
        let opened = try experiment.openDataset(DatasetOpening(progress: DownloadReporter().progress, tokenizer: saved.tokenizer))
        if let warning = opened.warning { NSTMCommand.complain("warning: \(warning)") }
        let dataset = opened.dataset
        guard dataset.inputKind == saved.data.input, dataset.targetKind == saved.data.target else {
            throw CommandError.otherInputs(trained: saved.data.name, data: dataset.name)
        }
        try saved.model.check(takes: dataset)
        let settings = experiment.settings
        let batches = dataset.evaluationBatches(size: settings.evaluationBatch, limit: settings.evaluationLimit)
        let metrics = NSTM.evaluate(saved.model, on: batches, target: dataset.targetKind)
        NSTMCommand.say("\(saved.url.shortPath), step \(saved.step), on \(dataset.name)")
        if dataset.fingerprint != saved.data.fingerprint { NSTMCommand.say("(other data, or another split, than in training)") }
        for (name, value) in metrics.pairs { NSTMCommand.say("\(name) \(value)") }
    }
}
