import ArgumentParser
import Foundation
import NSTM

struct CompareCommand: WritesFiles {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "compare", abstract: "Trains several models with the same budget and compares them.",
            discussion: """
                A plan specifies the data, the models, the seeds and the common budget. The output folder contains table.md, \
                results.json, learning curves (SVG), the plan, and a folder per run. --resume continues a comparison that was stopped \
                or killed; completed runs are not repeated. A failed run does not stop the others.

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

/// The options of the commands that train several models.
struct SeriesOptions: ParsableArguments {
    @Argument(help: "A plan (YAML).", transform: path) var plan: String
    @Option(help: ArgumentHelp("Changes a value of the plan; may be repeated.", valueName: "key.path=value"))
    var set: [String] = []
    @Option(help: dataHelp, transform: path)
    var data: String?
    @Option(help: ArgumentHelp("Output folder (default: runs/<name of the plan>).", valueName: "folder"), transform: path)
    var output: String?
    @Flag(help: "Continues the series in the output folder.") var resume = false
    @Flag(help: "Prints warnings and errors only.") var quiet = false

    /// The plan with the values of `--set`, and the output folder.
    func open() throws -> (plan: ConfigurationValue, folder: URL) {
        let file = fileURL(plan)
        var value = try ConfigurationValue(yamlFile: file)
        try value.apply(overrides: set)
        let name = file.deletingPathExtension().lastPathComponent
        return (value, output.map(fileURL) ?? fileURL("runs").appendingPathComponent(name))
    }
    /// The command line of this process, for a report.
    static var command: String {
        ([NSTMCommand.program] + CommandLine.arguments.dropFirst()).map { word in
            word.contains { " '\"\\$*[]{}".contains($0) } ? "\"\(word)\"" : word
        }.joined(separator: " ")
    }
    /// Prints the table.
    /// - Throws: `ExitCode` if the series was interrupted or runs failed.
    func conclude(_ folder: URL, isDone: Bool, _ reporter: SeriesReporter) throws {
        let table = folder.appendingPathComponent("table.md")
        guard isDone else {
            NSTMCommand.printError("stopped and saved; resume with the same command and --resume")
            throw ExitCode(128 + (Interrupt.signal ?? SIGINT))
        }
        if !quiet {
            if let text = try? String(contentsOf: table, encoding: .utf8) { NSTMCommand.printLine("\n" + text) }
            NSTMCommand.printLine("written to \(folder.shortPath)")
        }
        if reporter.failed > 0 {
            NSTMCommand.printError("\(reporter.failed) of \(reporter.count) runs failed; --resume repeats them")
            throw ExitCode.failure
        }
    }
}

/// A reporter of a series of runs on the terminal: a line when a run starts and ends, and the progress of the current run.
final class SeriesReporter {
    private let reporter = ProgressReporter()
    private let isQuiet: Bool
    /// Number of failed runs.
    private(set) var failed = 0
    /// Number of all runs of the series.
    private(set) var count = 0
    init(quiet: Bool) { isQuiet = quiet }

    func callAsFunction(_ event: SeriesEvent) {
        switch event {
        case .began(let run, let number, let count, let seconds):
            self.count = count
            let rest = seconds.map { ", about \(ProgressReporter.duration($0)) left in total" } ?? ""
            say("run \(number) of \(count): \(run.title)\(rest)")
        case .training(.saved): break
        case .training(.note(let text)): isQuiet ? NSTMCommand.printError(text) : reporter(.note(text))
        case .training(let event): if !isQuiet { reporter(event) }
        case .ended(let run, let record):
            reporter.close()
            if let error = record.error {
                failed += 1
                NSTMCommand.printError("\(run.title) failed: \(error)")
            } else {
                say(
                    "\(run.title): \(record.ending.rawValue) after step \(record.step), \(ProgressReporter.duration(record.seconds))"
                )
            }
        }
    }
    private func say(_ text: String) { if !isQuiet { NSTMCommand.printLine(text) } }
}
