import ArgumentParser
import Foundation
import NSTM

struct TrainCommand: WritesFiles {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "train", abstract: "Trains a model, or resumes a run.",
            discussion: """
                Without a configuration, all defaults are used: an NSTM model on Tiny Shakespeare. Checkpoints (step-<n>.h5) and \
                metrics.jsonl are written to the output folder. Ctrl-C saves a checkpoint and exits with status 130; --resume \
                continues from it, with results bit-identical to those of an uninterrupted run.

                Examples:
                  \(NSTMCommand.program) train Configurations/tinyshakespeare-nstm.yaml
                  \(NSTMCommand.program) train Configurations/copy-nstm.yaml --set model.states=16 --output runs/small
                  \(NSTMCommand.program) train --resume runs/small
                  \(NSTMCommand.program) train --resume runs/small/step-400.h5 --output runs/branch
                """)
    }

    @Argument(help: "A configuration file (YAML).", transform: path) var config: String?
    @Option(help: ArgumentHelp("Changes a value of the configuration; may be repeated.", valueName: "key.path=value"))
    var set: [String] = []
    @Option(help: dataHelp, transform: path)
    var data: String?
    @Option(
        help: ArgumentHelp("Folder of the run (default: runs/<name of the configuration>).", valueName: "folder"), transform: path
    )
    var output: String?
    @Option(
        defaultAsFlag: "", parsing: .next,
        help: ArgumentHelp("Resumes from a checkpoint, or from the newest intact one in the folder of a run.", valueName: "path"))
    var resume: String?
    @Option(help: ArgumentHelp("Saves and stops after this step; --resume continues later.", valueName: "step")) var until: Int?
    @Flag(help: "Deletes the checkpoints of an earlier run in the output folder, after the first one of this run is saved.")
    var overwrite = false
    @Flag(help: "Stops at the first non-finite value or gradient and reports operation, module and index. Slower.")
    var checkFinite = false
    @Flag(help: "Prints warnings and errors only.") var quiet = false

    mutating func validate() throws {
        // In `train --resume config.yaml` the parser assigns the file to the option.
        if let path = resume, config == nil, path.hasSuffix(".yaml") || path.hasSuffix(".yml") {
            config = path
            resume = ""
        }
        if let until, until < 1 { throw ValidationError("--until must be at least 1") }
        if overwrite && resume != nil && output == nil {
            throw ValidationError("--overwrite and --resume cannot be combined without --output")
        }
    }

    func run() throws {
        let registries = NSTMCommand.registries, datasets = DatasetFolder(data)
        var given = try config.map { try ConfigurationValue(yamlFile: fileURL($0)) } ?? .map([:])
        let archive = try resume.map { try checkpoint($0) }
        if let archive, config == nil { given = try SavedModel.configuration(archive.documents, path: archive.source ?? "") }
        try given.apply(overrides: set)
        let experiment = try Experiment(given, registries: registries, folder: datasets)
        if let archive { try compare(experiment, with: archive, registries) }

        let folder = runFolder(archive, experiment)
        if archive == nil { try RunFolder(folder).check(beginningAt: 0, overwriting: overwrite) }

        let environment = RunEnvironment.current
        say(environment.line)
        for slowdown in environment.slowdowns { NSTMCommand.printError("warning: slow execution: \(slowdown)") }
        let opened = try experiment.openDataset(OpenedDataset.Options(progress: DownloadReporter().progress))
        if let warning = opened.warning { NSTMCommand.printError("warning: \(warning)") }
        let trainer = try experiment.trainer(opened, folder: folder)
        trainer.overwrites = overwrite
        trainer.checksFinite = checkFinite
        if let archive {
            try trainer.restore(archive)
            if let until, until < trainer.step {
                throw ValidationError("--until \(until): the checkpoint is that of step \(trainer.step)")
            }
        }
        let lock = try RunFolder(folder).lock()
        defer { lock.release() }
        if let warning = lock.warning { NSTMCommand.printError("warning: \(warning)") }
        trainer.lock = lock
        introduce(trainer, experiment)

        let reporter = ProgressReporter()
        let isQuiet = quiet
        trainer.onEvent = { event in
            if !isQuiet {
                reporter(event)
            } else if case .note(let text) = event {
                NSTMCommand.printError(text)
            }
        }
        Interrupt.install()
        trainer.shouldStop = { Interrupt.isRequested }
        let ending: Trainer.StopReason
        do { ending = try trainer.run(until: until) } catch {
            reporter.close()
            throw error
        }
        reporter.close()
        try conclude(trainer, ending, opened)
    }

    private func say(_ text: String) { if !quiet { NSTMCommand.printLine(text) } }

    // MARK: Folders

    /// The folder of the run: `--output`, that of the checkpoint, or the default.
    private func runFolder(_ archive: CheckpointArchive?, _ experiment: Experiment) -> URL {
        if let output { return fileURL(output) }
        if let source = archive?.source { return URL(fileURLWithPath: source).deletingLastPathComponent() }
        return TrainCommand.defaultFolder(config, experiment.resolved)
    }
    /// `runs/` and the name of the configuration file, or the names of data and model without a file.
    private static func defaultFolder(_ config: String?, _ resolved: ConfigurationValue) -> URL {
        func word(_ path: String) -> String { if case .string(let s)? = resolved[path: path] { s } else { "model" } }
        let name =
            config.map { fileURL($0).deletingPathExtension().lastPathComponent }
            ?? word("data.type") + "-" + word("model.type")
        return fileURL("runs").appendingPathComponent(name)
    }

    /// The checkpoint of `--resume`: a file, or the newest intact one in a folder; without a value, in the folder of this run.
    private func checkpoint(_ path: String) throws -> CheckpointArchive {
        if !path.isEmpty { return try newest(fileURL(path)) }
        if let output { return try newest(fileURL(output)) }
        var given = try config.map { try ConfigurationValue(yamlFile: fileURL($0)) } ?? .map([:])
        try given.apply(overrides: set)
        let resolved = try Experiment(given, registries: NSTMCommand.registries).resolved
        return try newest(TrainCommand.defaultFolder(config, resolved))
    }
    private func newest(_ url: URL) throws -> CheckpointArchive {
        if url.pathExtension != "h5" && !FileManager.default.fileExists(atPath: url.path) {
            throw CommandError.nothingToResume(folder: url.path)
        }
        let (found, archive): (FoundCheckpoint, CheckpointArchive)
        do { (found, archive) = try FoundCheckpoint.read(at: url) } catch SavedModel.Error.noCheckpoint {
            throw CommandError.nothingToResume(folder: url.path)
        }
        if let warning = found.warning { NSTMCommand.printError(warning) }
        return archive
    }

    // MARK: Resuming

    private func compare(_ experiment: Experiment, with archive: CheckpointArchive, _ registries: Registries) throws {
        let stored = try SavedModel.configuration(archive.documents, path: archive.source ?? "")
        // Resolved again, so that keys that were added after the checkpoint was written have their defaults on both sides.
        let own = try Experiment(stored, registries: registries).resolved
        let differences = experiment.resolved.differences(from: own).filter { !experiment.fileKeys.contains($0.path) }
        guard differences.isEmpty else {
            throw CommandError.otherConfiguration(checkpoint: archive.source ?? "", differences: differences)
        }
    }

    // MARK: Output

    private func introduce(_ trainer: Trainer, _ experiment: Experiment) {
        func word(_ path: String) -> String { if case .string(let s)? = experiment.resolved[path: path] { s } else { "?" } }
        let data = trainer.dataset
        say("data   \(data.name), sequences of up to \(data.contextLength)")
        let context = ModelSummary.usualContext(data.contextLength)
        for (i, line) in ModelSummary(trainer.model, kind: word("model.type"), context: context).lines.enumerated() {
            say((i == 0 ? "model  " : "       ") + line)
        }
        let steps = "\(trainer.settings.steps) steps of \(trainer.settings.batch) sequences"
        let start = trainer.step > 0 ? ", resumed after step \(trainer.step)" : ""
        say("run    \(trainer.folder?.shortPath ?? ""), \(steps)\(start)")
    }

    /// The suggested next command: `generate` for a streamable language model, otherwise `evaluate`.
    private func nextCommand(_ trainer: Trainer, _ opened: OpenedDataset) -> String {
        guard let tokenizer = opened.tokenizer, case .nextToken = trainer.dataset.targetKind,
            trainer.model.streamingLimitation == nil
        else { return "evaluate" }
        let prompt = "The "
        return (try? tokenizer.encode(prompt)) == nil ? "generate" : "generate --prompt \"\(prompt)\""
    }

    private func conclude(_ trainer: Trainer, _ ending: Trainer.StopReason, _ opened: OpenedDataset) throws {
        let folder = trainer.folder?.shortPath ?? ""
        let resume = "\(NSTMCommand.program) train --resume \(folder)"
        if let signal = Interrupt.signal, ending == .stopped {
            NSTMCommand.printError("stopped after step \(trainer.step) and saved; resume with: \(resume)")
            throw ExitCode(128 + signal)
        }
        let when = "after step \(trainer.step), \(grouped(trainer.tokens)) targets"
        switch ending {
        case .finished: say("finished \(when)")
        case .targetReached:
            let goal = trainer.settings.target.map { " (\($0))" } ?? ""
            say("solved\(goal) \(when)")
        case .noImprovement:
            let reason = trainer.settings.earlyStopping.map { " (\($0))" } ?? ""
            say("no further improvement\(reason) \(when)")
        case .timeLimit: say("out of time \(when)")
        case .stopped: say("stopped after step \(trainer.step), as requested; resume with: \(resume)")
        }
        if let metrics = trainer.lastMetrics { say("validation  \(metrics)") }
        if let checkpoint = trainer.lastCheckpoint { say("checkpoint  \(checkpoint.shortPath)") }
        if let folder = trainer.folder { say("metrics     \(RunFolder(folder).metrics.shortPath)") }
        say("try next    \(NSTMCommand.program) \(nextCommand(trainer, opened)) \(folder)")
    }
}
