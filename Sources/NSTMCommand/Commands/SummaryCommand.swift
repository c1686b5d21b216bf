import ArgumentParser
import Foundation
import NSTM

struct SummaryCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "summary", abstract: "Says what a model is made of, what it carries and what a token costs.",
            discussion: """
                Without a configuration the default model. The data is opened, because it says how many tokens there are.

                Examples:
                  \(NSTMCommand.program) summary Configurations/tinyshakespeare-nstm.yaml --set model.states=64
                  \(NSTMCommand.program) summary runs/copy-nstm
                """)
    }

    @Argument(help: "A configuration file (YAML), a checkpoint, or the folder of a run.", transform: path) var model: String?
    @Option(help: ArgumentHelp("Changes one value of the configuration; may be repeated.", valueName: "key.path=value"))
    var set: [String] = []
    @Option(help: ArgumentHelp("Where datasets are; nothing is downloaded then.", valueName: "folder"), transform: path)
    var data: String?
    @Option(
        help: ArgumentHelp(
            "Tokens of the sequence in which work is counted (default: the data's, up to 4096).", valueName: "tokens"))
    var context: Int?

    func validate() throws {
        if let context, context < 1 { throw ValidationError("--context needs 1 or more") }
        if isCheckpoint && !set.isEmpty { throw ValidationError("--set changes a configuration, not a trained model") }
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
            NSTMCommand.say(saved.title)
            NSTMCommand.say(saved.model.summary(kind(saved.configuration), context: context ?? 64))
            return
        }
        var given = try model.map { try ConfigurationValue(yamlFile: fileURL($0)) } ?? .map([:])
        try given.apply(overrides: set)
        let experiment = try Experiment(given, registries: registries, folder: DatasetFolder(data))
        let dataset = try experiment.openDataset(DatasetOpening(progress: DownloadReporter().progress)).dataset
        let built = try experiment.model(for: dataset)
        NSTMCommand.say(
            built.summary(kind(experiment.resolved), context: context ?? ModelSummary.usualContext(dataset.contextLength)))
    }
}
