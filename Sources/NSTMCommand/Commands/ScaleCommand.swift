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
    @OptionGroup var options: SeriesOptions

    func run() throws {
        let (plan, folder) = try options.open()
        let study = ScalingStudy(
            try ScalingPlan(plan, registries: NSTMCommand.registries), in: folder, registries: NSTMCommand.registries,
            datasets: DatasetFolder(options.data))
        study.command = SeriesOptions.command
        let reporter = SeriesReporter(quiet: options.quiet)
        study.onEvent = { reporter($0) }
        study.shouldStop = { Interrupt.isRequested }
        Interrupt.install()
        let isDone = try study.run(resume: options.resume)
        try options.conclude(folder, isDone: isDone, reporter)
    }
}
