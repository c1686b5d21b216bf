import ArgumentParser
import Foundation
import NSTM
import NSTMSystem

/// The command line as a library, for programs that add strategies, models and datasets to `nstm`.
///
/// ```swift
/// import NSTM
/// import NSTMCommand
///
/// var registries = Registries.standard
/// registries.strategies.updates.register(MyRule.Configuration.self)
/// NSTMCommand.main(registries)
/// ```
public enum NSTMCommand {
    /// The registries of the commands.
    ///
    /// A task-local value because ArgumentParser creates the commands, so that it cannot be an argument.
    @TaskLocal static var registries = Registries.standard

    /// Runs the command given by the program's arguments and exits with its status.
    /// - Parameter registries: models, strategies and datasets that configurations can name.
    public static func main(_ registries: Registries = .standard) -> Never {
        Console.prepare()
        if let error = AddressSpaceError.check() {
            printError("error: \(error)")
            // `exit` would wait for the threads of OpenBLAS.
            _exit(1)
        }
        let status = $registries.withValue(registries) {
            do {
                var command = try Root.parseAsRoot()
                try command.run()
                if !(command is any WritesFiles) { try checkOutput() }
                return ExitCode.success
            } catch { return report(error) }
        }
        Foundation.exit(status.rawValue)
    }

    /// Prints an error and gives the exit status for it.
    private static func report(_ error: any Error) -> ExitCode {
        let status = Root.exitCode(for: error)
        if status == .success {
            // Help and version are requested output rather than errors.
            printLine(Root.fullMessage(for: error))
            do { try checkOutput() } catch { return report(error) }
        } else if status == .failure && !(error is ExitCode) {
            printError("error: \(text(error))")
        } else if case let message = Root.fullMessage(for: error), !message.isEmpty {
            printError(message)
        }
        return status
    }
    /// Checks that all writes to standard output succeeded, for commands whose output is their result.
    /// - Throws: `CommandError.output`.
    static func checkOutput() throws {
        if let reason = Console.failure(.output) { throw CommandError.output(reason: reason) }
    }

    private static func text(_ error: any Error) -> String {
        guard let error = error as? ConfigurationError, error.issues.count > 1 else { return error.plainReason.withShortLists }
        let list = error.issues.map { "\n  - \($0)" }.joined()
        return "the configuration has \(error.issues.count) issues:\(list)".withShortLists
    }
    /// Prints a line to standard error.
    static func printError(_ text: String) { Console.line(text, to: .error) }
    /// Prints a line to standard output.
    static func printLine(_ text: String) { Console.line(text) }
    /// Name of this program as it was called, for suggested commands.
    static var program: String {
        URL(fileURLWithPath: CommandLine.arguments.first ?? "nstm").lastPathComponent
    }
}

extension String {
    /// The text with lists (lines that start with `  - `) shortened to 20 items and lines to 2000 characters.
    var withShortLists: String {
        let maxItems = 20, maxLength = 2000
        var lines: [String] = [], items = 0
        func endList() {
            if items > maxItems { lines.append("  … and \(items - maxItems) more") }
            items = 0
        }
        for line in split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("  - ") { items += 1 } else { endList() }
            if items > maxItems { continue }
            let rest = line.dropFirst(maxLength)
            lines.append(line.prefix(maxLength) + (rest.isEmpty ? "" : "… (\(rest.count) more characters)"))
        }
        endList()
        return lines.joined(separator: "\n")
    }
}

/// A command whose results are files.
///
/// Its output is only informational, so that failed writes to standard output are not errors.
protocol WritesFiles: ParsableCommand {}

struct Root: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: NSTMCommand.program,
            abstract: "Trains, evaluates and runs sequence models with explicit states.",
            discussion: """
                Examples:
                  \(NSTMCommand.program) train                                    Tiny Shakespeare with all defaults
                  \(NSTMCommand.program) train Configurations/copy-nstm.yaml --set training.steps=500
                  \(NSTMCommand.program) train --resume runs/copy-nstm
                  \(NSTMCommand.program) generate runs/tinyshakespeare-nstm --prompt "ROMEO:"
                """,
            version: RunEnvironment.version,
            subcommands: [
                TrainCommand.self, CompareCommand.self, SweepCommand.self, ScaleCommand.self, EvaluateCommand.self,
                GenerateCommand.self, SummaryCommand.self, BenchCommand.self, RobustnessCommand.self,
                CheckpointCommand.self, StatesCommand.self, PruneCommand.self, CompactCommand.self, ExpandCommand.self,
                DescribeCommand.self, DataCommand.self, DoctorCommand.self,
            ])
    }
}

let checkpointHelp: ArgumentHelp = "A checkpoint, or the folder of a run, whose newest intact checkpoint is used."
let dataHelp = ArgumentHelp("Folder with datasets; disables downloads.", valueName: "folder")

/// The model of a checkpoint, or of the newest intact one in the folder of a run.
///
/// Prints a warning if newer ones were skipped.
func savedModel(_ path: String) throws -> SavedModel {
    let saved = try SavedModel(fileURL(path), registries: NSTMCommand.registries)
    if let warning = saved.warning { NSTMCommand.printError(warning) }
    return saved
}

/// A nonempty path of the command line.
///
/// An empty one, such as that of an unset shell variable, would mean the current folder.
func path(_ text: String) throws -> String {
    guard !text.isEmpty else { throw ValidationError("a path is empty; omit the option, or use '.' for the current folder") }
    return text
}

/// The URL of a path of the command line, with `~` expanded.
func fileURL(_ path: String) -> URL { URL(fileURLWithPath: (path as NSString).expandingTildeInPath) }
