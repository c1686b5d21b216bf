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
    @Argument(help: "A plan (YAML).", transform: path) var plan: String
    @OptionGroup var options: SeriesOptions

    func run() throws { try options.run(Comparison.self, plan) }
}

/// The options of the commands that train several models.
struct SeriesOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Changes a value of the file; may be repeated.", valueName: "key.path=value"))
    var set: [String] = []
    @Option(help: dataHelp, transform: path)
    var data: String?
    @Option(help: ArgumentHelp("Output folder (default: runs/ and the name of the file).", valueName: "folder"), transform: path)
    var output: String?
    @Flag(help: "Continues the series in the output folder.") var resume = false
    @Flag(help: "Prints warnings and errors only.") var quiet = false

    /// Runs a study of the plan in a file, with the values of `--set`.
    /// - Throws: `ExitCode` if the series was interrupted or runs failed.
    func run<Study: SeriesStudy>(_ type: Study.Type, _ path: String) throws {
        let file = fileURL(path)
        var plan = try ConfigurationValue(yamlFile: file)
        try plan.apply(overrides: set)
        try run(type, plan, name: file.deletingPathExtension().lastPathComponent)
    }
    /// Runs a study of a plan.
    /// - Parameter name: name of its folder in `runs`, unless `--output` is given.
    /// - Throws: `ExitCode` if the series was interrupted or runs failed.
    func run<Study: SeriesStudy>(_: Study.Type, _ plan: ConfigurationValue, name: String) throws {
        let folder = output.map(fileURL) ?? fileURL("runs").appendingPathComponent(name), registries = NSTMCommand.registries
        let study = Study(
            try Study.Plan(plan, registries: registries), in: folder, registries: registries, datasets: DatasetFolder(data))
        study.session.command = SeriesOptions.command
        let reporter = SeriesReporter(quiet: quiet)
        study.onEvent = { reporter($0) }
        study.shouldStop = { Interrupt.isRequested }
        Interrupt.install()
        guard try study.run(resume: resume) else {
            NSTMCommand.printError("stopped and saved; resume with the same command and --resume")
            throw ExitCode(128 + (Interrupt.signal ?? SIGINT))
        }
        if !quiet {
            NSTMCommand.printLine("\n" + study.session.report)
            NSTMCommand.printLine("written to \(folder.shortPath)")
        }
        if reporter.failed > 0 {
            NSTMCommand.printError("\(reporter.failed) of \(reporter.count) runs failed; --resume repeats them")
            throw ExitCode.failure
        }
    }
    /// The command line of this process, for a report.
    static var command: String {
        ([NSTMCommand.program] + CommandLine.arguments.dropFirst()).map { word in
            word.contains { " '\"\\$*[]{}".contains($0) } ? "\"\(word)\"" : word
        }.joined(separator: " ")
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
                if record.ending == .failed { failed += 1 }
                NSTMCommand.printError("\(run.title) \(record.ending.rawValue): \(error)")
            } else {
                say(
                    "\(run.title): \(record.ending.rawValue) after step \(record.step), \(ProgressReporter.duration(record.seconds))"
                )
            }
        }
    }
    private func say(_ text: String) { if !isQuiet { NSTMCommand.printLine(text) } }
}
