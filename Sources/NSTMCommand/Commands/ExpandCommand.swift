import ArgumentParser
import NSTM

struct ExpandCommand: WritesFiles {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "expand", abstract: "Gives a trained model more states.",
            discussion: """
                Learned parameters stay what they are. New states begin where the active ones begin on average, and parameters that \
                have a row for each state get the mean of their rows. A model whose router is 'pointer' remembers longer sequences \
                then, without further training. Training resumes from the new checkpoint with --resume.

                Examples:
                  \(NSTMCommand.program) expand runs/copy-nstm --states 120 --output runs/copy-120
                  \(NSTMCommand.program) evaluate runs/copy-120 --set "data.evaluation-lengths=[16, 40, 120]"
                """)
    }

    @Argument(help: checkpointHelp, transform: path) var checkpoint: String
    @Option(help: "States of each layer, at least as many as it has.") var states: Int
    @OptionGroup var result: ResultFolder

    func validate() throws {
        guard (1...65_536).contains(states) else { throw ValidationError("--states needs a number in 1...65536") }
    }
    func run() throws {
        try result.check()
        let saved = try savedModel(checkpoint)
        let (archive, resizing) = try saved.expanded(to: states, registries: NSTMCommand.registries)
        NSTMCommand.say("from \(saved.title)")
        for layer in resizing.layers { NSTMCommand.say("\(layer.path)  \(layer.count) states → \(layer.newCount)") }
        NSTMCommand.say("saved \(try result.write(archive, step: saved.step).shortPath)")
    }
}
