import ArgumentParser
import Foundation
import NSTM

struct SummaryCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "summary", abstract: "Prints the parameters of a model, the size of its state and its cost per token.",
            discussion: """
                Without a configuration, the default model is used. The data is opened because it determines the vocabulary.

                Examples:
                  \(NSTMCommand.program) summary Configurations/tinyshakespeare-nstm.yaml --set model.states=64
                  \(NSTMCommand.program) summary runs/copy-nstm
                """)
    }

    @Argument(help: "A configuration file (YAML), a checkpoint, or the folder of a run.", transform: path) var model: String?
    @Option(help: ArgumentHelp("Changes a value of the configuration; may be repeated.", valueName: "key.path=value"))
    var set: [String] = []
    @Option(help: dataHelp, transform: path)
    var data: String?
    @Option(
        help: ArgumentHelp(
            "Number of tokens of the pass in which work is counted (default: that of the data, up to 4096).",
            valueName: "tokens"))
    var context: Int?

    func validate() throws {
        if let context, !(1...maximumLength ~= context) { throw ValidationError("--context must be in 1...\(maximumLength)") }
        if isCheckpoint && !set.isEmpty { throw ValidationError("--set applies to a configuration, not to a trained model") }
    }
    private var isCheckpoint: Bool {
        var isFolder: ObjCBool = false
        guard let model else { return false }
        return model.hasSuffix(".h5")
            || FileManager.default.fileExists(atPath: fileURL(model).path, isDirectory: &isFolder) && isFolder.boolValue
    }

    func run() throws {
        let registries = NSTMCommand.registries
        func kind(_ config: ConfigurationValue) -> String {
            if case .string(let s)? = config[path: "model.type"] { s } else { "model" }
        }
        if isCheckpoint, let model {
            let saved = try savedModel(model)
            NSTMCommand.printLine(saved.title)
            NSTMCommand.printLine(saved.model.summary(kind(saved.configuration), context: context ?? 64))
            return
        }
        var given = try model.map { try ConfigurationValue(yamlFile: fileURL($0)) } ?? .map([:])
        try given.apply(overrides: set)
        let experiment = try Experiment(given, registries: registries, folder: DatasetFolder(data))
        let dataset = try experiment.openDataset(OpenedDataset.Options(progress: DownloadReporter().progress)).dataset
        let built = try experiment.model(for: dataset)
        NSTMCommand.printLine(
            built.summary(kind(experiment.resolved), context: context ?? ModelSummary.usualContext(dataset.contextLength)))
    }
}
