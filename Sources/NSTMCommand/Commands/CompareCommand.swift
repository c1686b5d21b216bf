import ArgumentParser
import Foundation
import NSTM

struct CompareCommand: WritesFiles {
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
                  \(NSTMCommand.program) compare Configurations/compare-recall.yaml --set budget.steps=50 --output runs/trial
                """)
    }
    @OptionGroup var options: SeriesOptions

    func run() throws {
        let (plan, folder) = try options.open()
        let comparison = Comparison(
            try ComparisonPlan(plan, registries: NSTMCommand.registries), in: folder, registries: NSTMCommand.registries,
            datasets: DatasetFolder(options.data))
        comparison.command = SeriesOptions.command
        let reporter = SeriesReporter(quiet: options.quiet)
        comparison.onEvent = { reporter($0) }
        comparison.shouldStop = { Interrupt.isRequested }
        Interrupt.install()
        let isDone = try comparison.run(resume: options.resume)
        try options.conclude(folder, isDone: isDone, reporter)
    }
}

/// What the commands that train many models share.
struct SeriesOptions: ParsableArguments {
    @Argument(help: "A plan (YAML).", transform: path) var plan: String
    @Option(help: ArgumentHelp("Changes one value of the plan; may be repeated.", valueName: "key.path=value"))
    var set: [String] = []
    @Option(help: ArgumentHelp("Where datasets are; nothing is downloaded then.", valueName: "folder"), transform: path)
    var data: String?
    @Option(help: ArgumentHelp("Where results go (default: runs/<name of the plan>).", valueName: "folder"), transform: path)
    var output: String?
    @Flag(help: "Goes on with what is in the output folder.") var resume = false
    @Flag(help: "Prints warnings and errors only.") var quiet = false

    /// The plan with its changes, and the output folder.
    func open() throws -> (plan: ConfigurationValue, folder: URL) {
        let file = fileURL(plan)
        var value = try ConfigurationValue(yamlFile: file)
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
    /// Shows the table, and ends with a status that says whether all runs succeeded.
    func conclude(_ folder: URL, isDone: Bool, _ reporter: SeriesReporter) throws {
        let table = folder.appendingPathComponent("table.md")
        guard isDone else {
            NSTMCommand.complain("stopped and saved; go on with the same command and --resume")
            throw ExitCode(128 + (Interrupt.signal ?? SIGINT))
        }
        if !quiet {
            if let text = try? String(contentsOf: table, encoding: .utf8) { NSTMCommand.say("\n" + text) }
            NSTMCommand.say("written to \(folder.shortPath)")
        }
        if reporter.failed > 0 {
            NSTMCommand.complain("\(reporter.failed) of \(reporter.count) runs failed; --resume tries them again")
            throw ExitCode.failure
        }
    }
}

/// Tells how a series goes: a line for each run that begins and ends, and the progress of the one at work.
final class SeriesReporter {
    private let reporter = ProgressReporter()
    private let isQuiet: Bool
    /// Runs that failed, and all runs of the series.
    private(set) var failed = 0, count = 0
    init(quiet: Bool) { isQuiet = quiet }

    func callAsFunction(_ event: SeriesEvent) {
        switch event {
        case .began(let run, let number, let count, let seconds):
            self.count = count
            let left = seconds.map { ", about \(ProgressReporter.duration($0)) left for all" } ?? ""
            say("run \(number) of \(count): \(run.title)\(left)")
        case .training(.saved): break
        case .training(.note(let text)): isQuiet ? NSTMCommand.complain(text) : reporter(.note(text))
        case .training(let event): if !isQuiet { reporter(event) }
        case .ended(let run, let record):
            reporter.close()
            if let error = record.error {
                failed += 1
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
