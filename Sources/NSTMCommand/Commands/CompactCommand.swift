import ArgumentParser
import Foundation
import NSTM

struct CompactCommand: WritesFiles {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "compact", abstract: "Permanently removes the inactive states of a trained model.",
            discussion: """
                The new checkpoint has smaller parameters and moments and gives the same outputs. Resume training from it with \
                --resume; settings under training can be changed with --set.

                Examples:
                  \(NSTMCommand.program) compact runs/a --output runs/a-small
                  \(NSTMCommand.program) compact runs/a --output runs/a-small --set training.steps=2300
                  \(NSTMCommand.program) train --resume runs/a-small
                """)
    }

    @Argument(help: checkpointHelp, transform: path) var checkpoint: String
    @OptionGroup var result: ResultFolder

    func run() throws {
        try result.check()
        let saved = try savedModel(checkpoint)
        let (archive, resizing) = try saved.compacted(registries: NSTMCommand.registries)
        NSTMCommand.printLine("from \(saved.title)")
        for layer in resizing.layers { NSTMCommand.printLine("\(layer.path)  \(layer.count) states → \(layer.newCount)") }
        let url = try result.write(archive, step: saved.step)
        let small = try SavedModel(url, registries: NSTMCommand.registries)
        func line(_ name: String, _ number: (SavedModel) -> Int) {
            let pair = [saved, small].map { leftPadded(grouped(number($0)), 12) }.joined(separator: " →")
            NSTMCommand.printLine(name.padding(toLength: 28, withPad: " ", startingAt: 0) + pair)
        }
        line("parameters") { $0.model.parameters.trainableCount }
        line("bytes of the checkpoint") { (try? CheckpointFile.info($0.url)).map { Int($0.header.payloadBytes) } ?? 0 }
        if saved.model.streamingLimitation == nil {
            line("bytes of state per sequence") { $0.model.initialState(batch: 1).byteCount }
        }
        NSTMCommand.printLine("saved \(url.shortPath)")
    }
}

/// The output options of commands that derive a checkpoint from another one.
struct ResultFolder: ParsableArguments {
    @Option(help: ArgumentHelp("Output folder.", valueName: "folder"), transform: path) var output: String
    @Flag(help: "Deletes the checkpoints of an earlier run in the output folder, after the new one is saved.")
    var overwrite = false
    @Option(help: ArgumentHelp("Changes a key under training; may be repeated.", valueName: "key.path=value")) var set: [String] =
        []

    func check() throws {
        let others = set.filter { !$0.hasPrefix("training.") }
        guard others.isEmpty else { throw CommandError.onlyTraining(keys: others) }
        try RunFolder(fileURL(output)).check(beginningAt: 0, overwriting: overwrite)
    }
    /// Writes a checkpoint `step-<n>.h5` with the settings of `--set`.
    /// - Parameter data: the value of `--data`; the stored configuration names the files found there.
    /// - Returns: path of the checkpoint.
    func write(_ archive: CheckpointArchive, step: Int, events: [StateEvent] = [], data: String? = nil) throws -> URL {
        var archive = archive
        var config = try SavedModel.configuration(archive.documents, path: output)
        try config.apply(overrides: set)
        // Validates the changed configuration.
        let experiment = try Experiment(config, registries: NSTMCommand.registries, folder: DatasetFolder(data))
        archive[document: "config"] = experiment.resolved.json()
        let folder = RunFolder(fileURL(output)), lock = try folder.lock()
        defer { lock.release() }
        if let warning = lock.warning { NSTMCommand.printError("warning: \(warning)") }
        return try folder.begin(with: archive, step: step, events: events, overwriting: overwrite)
    }
}
