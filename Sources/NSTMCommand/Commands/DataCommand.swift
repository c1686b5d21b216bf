import ArgumentParser
import Foundation
import NSTM

struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "Shows what a dataset consists of.", subcommands: [Show.self])

    /// Prints the first training sequence of a run.
    struct Show: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "show", abstract: "Prints a training sequence: inputs, targets and mask by position.",
                discussion: """
                    Zeros of input vectors and targets that do not count in the loss are dots.

                    Examples:
                      \(NSTMCommand.program) data show reverse --set bits=2 --set maximum-length=5
                      \(NSTMCommand.program) data show dyck --step 3
                    """)
        }

        @Argument(help: "The name of a dataset, as in data.type.") var name: String
        @Option(help: ArgumentHelp("Changes a setting of the dataset; may be repeated.", valueName: "key=value"))
        var set: [String] = []
        @Option(help: ArgumentHelp("The seed of the run (default: 1).", valueName: "number")) var seed = 1
        @Option(help: ArgumentHelp("The number of completed steps of the run (default: 0).", valueName: "number")) var step = 0
        @Option(help: dataHelp, transform: path) var data: String?

        func validate() throws {
            if seed < 0 || step < 0 { throw ValidationError("--seed and --step must be at least 0") }
        }
        func run() throws {
            var config = ConfigurationValue.map(["data": ["type": .string(name)]])
            try config.apply(overrides: set.map { "data.\($0)" })
            let experiment = try Experiment(config, registries: NSTMCommand.registries, folder: DatasetFolder(data))
            let dataset = try experiment.openDataset(OpenedDataset.Options(progress: DownloadReporter().progress)).dataset
            let batch = dataset.trainingBatch(step: step, size: 1, key: RandomKey(UInt64(seed)).fold("training"))
            NSTMCommand.printLine(SequencePicture(batch).description)
        }
    }
}
