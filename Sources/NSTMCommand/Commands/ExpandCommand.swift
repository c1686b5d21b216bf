import ArgumentParser
import NSTM

struct ExpandCommand: WritesFiles {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "expand", abstract: "Adds states to a trained model.",
            discussion: """
                Learned parameters are unchanged. The initial values of new states are the mean over the active ones, and new rows of \
                parameters with a row per state are the mean of their rows. A model with the router 'pointer' can then store longer \
                sequences without further training. Resume training from the new checkpoint with --resume.

                Examples:
                  \(NSTMCommand.program) expand runs/copy-nstm --states 120 --output runs/copy-120
                  \(NSTMCommand.program) evaluate runs/copy-120 --set "data.evaluation-lengths=[16, 40, 120]"
                """)
    }

    @Argument(help: checkpointHelp, transform: path) var checkpoint: String
    @Option(help: "Number of states of each layer, at least the present number.") var states: Int
    @OptionGroup var result: ResultFolder

    func validate() throws {
        guard (1...65_536).contains(states) else { throw ValidationError("--states must be in 1...65536") }
    }
    func run() throws {
        try result.check()
        let saved = try savedModel(checkpoint)
        let (archive, resizing) = try saved.expanded(to: states, registries: NSTMCommand.registries)
        NSTMCommand.printLine("from \(saved.title)")
        for layer in resizing.layers { NSTMCommand.printLine("\(layer.path)  \(layer.count) states → \(layer.newCount)") }
        NSTMCommand.printLine("saved \(try result.write(archive, step: saved.step).shortPath)")
    }
}
