import ArgumentParser
import Foundation
import NSTM
import NSTMSystem

/// The command line as a library: a program of your own is `nstm` with your strategies, models and datasets added.
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
    /// What configurations can name, for the commands: ArgumentParser makes those itself, so it cannot be handed over.
    @TaskLocal static var registries = Registries.standard

    /// Runs the command that the program's arguments ask for, and ends the program.
    public static func main(_ registries: Registries = .standard) -> Never {
        Console.prepare()
        if let error = AddressSpaceError.check() {
            complain("error: \(error)")
            // A usual exit would wait for the threads of OpenBLAS.
            _exit(1)
        }
        let status = $registries.withValue(registries) {
            do {
                var command = try Root.parseAsRoot()
                try command.run()
                if !(command is any WritesFiles) { try checkOutput() }
                return ExitCode.success
            } catch { return tell(error) }
        }
        Foundation.exit(status.rawValue)
    }

    /// Says why the program ends, and with which status.
    private static func tell(_ error: any Error) -> ExitCode {
        let status = Root.exitCode(for: error)
        if status == .success {
            // Help and the version are results like others.
            say(Root.fullMessage(for: error))
            do { try checkOutput() } catch { return tell(error) }
        } else if status == .failure && !(error is ExitCode) {
            complain("error: \(text(error))")
        } else if case let message = Root.fullMessage(for: error), !message.isEmpty {
            complain(message)
        }
        return status
    }
    /// - Throws: when something could not be written to standard output, for a command whose output is its result.
    static func checkOutput() throws {
        if let reason = Console.failure(.output) { throw CommandError.output(reason: reason) }
    }

    private static func text(_ error: any Error) -> String {
        guard let error = error as? ConfigurationError, error.issues.count > 1 else { return error.plainReason.withShortLists }
        let list = error.issues.map { "\n  - \($0)" }.joined()
        return "the configuration has \(error.issues.count) issues:\(list)".withShortLists
    }
    static func complain(_ text: String) { Console.line(text, to: .error) }
    static func say(_ text: String) { Console.line(text) }
    /// How this program was called, for hints.
    static var program: String {
        URL(fileURLWithPath: CommandLine.arguments.first ?? "nstm").lastPathComponent
    }
}

extension String {
    /// With the first 20 items of every list (lines that begin with `  - `) and the number of the others, and with long lines cut.
    var withShortLists: String {
        let most = 20, longest = 2000
        var lines: [String] = [], items = 0
        func endList() {
            if items > most { lines.append("  … and \(items - most) more") }
            items = 0
        }
        for line in split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("  - ") { items += 1 } else { endList() }
            if items > most { continue }
            let rest = line.dropFirst(longest)
            lines.append(line.prefix(longest) + (rest.isEmpty ? "" : "… (\(rest.count) more characters)"))
        }
        endList()
        return lines.joined(separator: "\n")
    }
}

/// A command whose result are files: what it prints only tells how it goes, and the loss of that is no error.
protocol WritesFiles: ParsableCommand {}

struct Root: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: NSTMCommand.program,
            abstract: "Trains, examines and uses sequence models with explicit states.",
            discussion: """
                Examples:
                  \(NSTMCommand.program) train                                    Tiny Shakespeare with all defaults
                  \(NSTMCommand.program) train Configurations/copy-nstm.yaml --set training.steps=500
                  \(NSTMCommand.program) train --resume runs/copy-nstm
                  \(NSTMCommand.program) generate runs/tinyshakespeare-nstm --prompt "ROMEO:"
                """,
            version: RunEnvironment.version,
            subcommands: [
                TrainCommand.self, CompareCommand.self, ScaleCommand.self, EvaluateCommand.self, GenerateCommand.self,
                SummaryCommand.self, BenchCommand.self, RobustnessCommand.self,
                CheckpointCommand.self, StatesCommand.self, PruneCommand.self, CompactCommand.self, ExpandCommand.self,
                DescribeCommand.self, DoctorCommand.self,
            ])
    }
}

let checkpointHelp: ArgumentHelp = "A checkpoint, or the folder of a run, of which the newest intact checkpoint is taken."

/// The model of a checkpoint, or of the newest intact one of a run's folder; says which newer ones were passed over.
func savedModel(_ path: String) throws -> SavedModel {
    let saved = try SavedModel(fileURL(path), registries: NSTMCommand.registries)
    if let warning = saved.warning { NSTMCommand.complain(warning) }
    return saved
}

/// A path given on the command line, where the empty one, of a variable that is not set, would be the current folder.
func path(_ text: String) throws -> String {
    guard !text.isEmpty else { throw ValidationError("a path is empty; leave the option out, or use '.' for the current folder") }
    return text
}

/// A path given on the command line.
func fileURL(_ path: String) -> URL { URL(fileURLWithPath: (path as NSString).expandingTildeInPath) }
