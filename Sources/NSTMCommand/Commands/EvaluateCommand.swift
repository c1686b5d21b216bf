import ArgumentParser
import Foundation
import NSTM

struct EvaluateCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "evaluate", abstract: "Evaluates a trained model on the validation split.",
            discussion: """
                The data is that of the checkpoint's configuration, with the changes of --set.

                Examples:
                  \(NSTMCommand.program) evaluate runs/tinyshakespeare-nstm
                  \(NSTMCommand.program) evaluate runs/copy-nstm/step-400.h5 --set "data.evaluation-lengths=[20, 40]"
                """)
    }

    @Argument(help: checkpointHelp, transform: path) var checkpoint: String
    @Option(help: dataHelp, transform: path)
    var data: String?
    @Option(help: ArgumentHelp("Changes a key under data or training.evaluation; may be repeated.", valueName: "key.path=value"))
    var set: [String] = []
    @Flag(
        name: .customLong("bf16-weights"),
        help: "Uses the weights of linear maps in bfloat16, as `generate --bf16-weights` does.") var bfloat16Weights = false

    func run() throws {
        let opened = try EvaluationData(checkpoint, set: set, data: data)
        let (saved, dataset, settings) = (opened.saved, opened.dataset, opened.settings)
        let batches = dataset.evaluationBatches(size: settings.evaluationBatch, limit: settings.evaluationLimit)
        let metrics = NSTM.evaluate(
            saved.model, on: batches, target: dataset.targetKind,
            weights: bfloat16Weights ? BFloat16Weights(of: saved.model.parameters.all) : nil)
        NSTMCommand.printLine("\(saved.title), on \(dataset.name)")
        if dataset.fingerprint != saved.data.fingerprint {
            NSTMCommand.printLine("(other data or another split than in training)")
        }
        for (name, value) in metrics.pairs { NSTMCommand.printLine("\(name) \(value)") }
    }
}
