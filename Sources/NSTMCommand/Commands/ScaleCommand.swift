import ArgumentParser
import Foundation
import NSTM

struct ScaleCommand: WritesFiles {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "scale", abstract: "Trains models of several sizes on several amounts of data and fits power laws.",
            discussion: """
                The output folder contains table.md, results.json, charts (SVG) of the loss against parameters, data and compute, \
                the plan, and a folder per run. --resume continues a study that was stopped or killed.

                Example:
                  \(NSTMCommand.program) scale Configurations/scale-tinyshakespeare.yaml
                """)
    }
    @Argument(help: "A plan (YAML).", transform: path) var plan: String
    @OptionGroup var options: SeriesOptions

    func run() throws { try options.run(ScalingStudy.self, plan) }
}
