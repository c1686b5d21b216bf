import ArgumentParser
import Foundation
import NSTM

struct CompareCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "compare", abstract: "Trains several models under one budget and compares them.",
            discussion: """
                A plan names the data, the models, the seeds and what all models have the same amount of. The output folder gets \
                table.md, results.json, learning curves (SVG), the plan, and a folder for each run. A comparison that was stopped \
                or killed goes on with --resume; runs that are over are not repeated, and one that fails does not stop the others.

                Examples:
                  \(NSTMCommand.program) compare Configurations/compare-recall.yaml
                  \(NSTMCommand.program) compare Configurations/compare-recall.yaml --resume
                  \(NSTMCommand.program) compare Configurations/compare-recall.yaml --set equal.steps=50 --output runs/trial
                """)
    }
    @OptionGroup var options: SeriesOptions

    func run() throws {
        let (plan, folder) = try options.open()
        let comparison = Comparison(
            try ComparisonPlan(plan, catalogue: NSTMCommand.catalogue), in: folder, catalogue: NSTMCommand.catalogue,
            datasets: DatasetFolder(options.data))
        comparison.command = SeriesOptions.command
        let reporter = SeriesReporter(quiet: options.quiet)
        comparison.onEvent = { reporter($0) }
        comparison.shouldStop = { Interrupt.isRequested }
        Interrupt.install()
        try options.conclude(folder, isDone: try comparison.run(resume: options.resume))
    }
}

/// What the commands that train many models share.
struct SeriesOptions: ParsableArguments {
    @Argument(help: "A plan (YAML).") var plan: String
    @Option(help: ArgumentHelp("Changes one value of the plan; may be repeated.", valueName: "key.path=value"))
    var set: [String] = []
    @Option(help: ArgumentHelp("Where datasets are; nothing is downloaded then.", valueName: "folder")) var data: String?
    @Option(help: ArgumentHelp("Where results go (default: runs/<name of the plan>).", valueName: "folder")) var output: String?
    @Flag(help: "Goes on with what is in the output folder.") var resume = false
    @Flag(help: "Prints warnings and errors only.") var quiet = false

    /// The plan with its changes, and the output folder.
    func open() throws -> (plan: ConfigValue, folder: URL) {
        let file = fileURL(plan)
        var value = try ConfigValue(yamlFile: file)
        try value.apply(overrides: set)
        let name = file.deletingPathExtension().lastPathComponent
        return (value, output.map(fileURL) ?? fileURL("runs").appendingPathComponent(name))
    }
    /// As it was typed, for a report.
    static var command: String {
        ([NSTMCommand.program] + CommandLine.arguments.dropFirst()).map { word in
            word.contains { " '\"\\$*[]{}".contains($0) } ? "\"\(word)\"" : word
        }.joined(separator: " ")
    }
    func conclude(_ folder: URL, isDone: Bool) throws {
        let table = folder.appendingPathComponent("table.md")
        guard isDone else {
            NSTMCommand.complain("stopped and saved; go on with the same command and --resume")
            throw ExitCode(128 + (Interrupt.signal ?? SIGINT))
        }
        if quiet { return }
        if let text = try? String(contentsOf: table, encoding: .utf8) { NSTMCommand.say("\n" + text) }
        NSTMCommand.say("written to \(folder.shortPath)")
    }
}

/// Tells how a series goes: a line for each run that begins and ends, and the progress of the one at work.
final class SeriesReporter {
    private let reporter = ProgressReporter()
    private let isQuiet: Bool
    init(quiet: Bool) { isQuiet = quiet }

    func callAsFunction(_ event: SeriesEvent) {
        switch event {
        case .began(let run, let number, let count, let seconds):
            let left = seconds.map { ", about \(ProgressReporter.duration($0)) left for all" } ?? ""
            say("run \(number) of \(count): \(run.title)\(left)")
        case .training(.saved): break
        case .training(.note(let text)): isQuiet ? NSTMCommand.complain(text) : reporter(.note(text))
        case .training(let event): if !isQuiet { reporter(event) }
        case .ended(let run, let record):
            reporter.close()
            if let error = record.error {
                NSTMCommand.complain("\(run.title) failed: \(error)")
            } else {
                say(
                    "\(run.title): \(record.ending.rawValue) after step \(record.step), \(ProgressReporter.duration(record.seconds))"
                )
            }
        }
    }
    private func say(_ text: String) { if !isQuiet { NSTMCommand.say(text) } }
}
