import ArgumentParser
import Foundation
import NSTM

/// The command line as a library: a program of your own is `nstm` with your strategies, models and datasets added.
///
/// ```swift
/// import NSTM
/// import NSTMCommand
///
/// var catalogue = Catalogue.standard
/// catalogue.strategies.updates.register("my-rule") { config, site in { MyRule($0, width: site.width) } }
/// NSTMCommand.main(catalogue)
/// ```
public enum NSTMCommand {
    /// What configurations can name, for the commands: ArgumentParser makes those itself, so it cannot be handed over.
    @TaskLocal static var catalogue = Catalogue.standard

    /// Runs the command that the program's arguments ask for, and ends the program.
    public static func main(_ catalogue: Catalogue = .standard) -> Never {
        $catalogue.withValue(catalogue) {
            var command: any ParsableCommand
            do { command = try Root.parseAsRoot() } catch { Root.exit(withError: error) }
            do { try command.run() } catch {
                // Help, usage errors and exit statuses are ArgumentParser's business, failures are told here.
                if error is ExitCode || Root.exitCode(for: error) != .failure { Root.exit(withError: error) }
                complain("error: \(text(error))")
                Foundation.exit(1)
            }
            Foundation.exit(0)
        }
    }

    private static func text(_ error: any Error) -> String {
        guard let error = error as? ConfigurationError, error.faults.count > 1 else { return "\(error)" }
        return "the configuration has \(error.faults.count) faults:" + error.faults.map { "\n  - \($0)" }.joined()
    }
    static func complain(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
    static func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }
    /// How this program was called, for hints.
    static var program: String {
        URL(fileURLWithPath: CommandLine.arguments.first ?? "nstm").lastPathComponent
    }
}

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
                DoctorCommand.self,
            ])
    }
}

let checkpointHelp: ArgumentHelp = "A checkpoint, or the folder of a run, of which the newest intact checkpoint is taken."

/// The model of a checkpoint, or of the newest intact one of a run's folder; says which newer ones were passed over.
func savedModel(_ path: String) throws -> SavedModel {
    let saved = try SavedModel(fileURL(path), catalogue: NSTMCommand.catalogue)
    if let warning = saved.warning { NSTMCommand.complain(warning) }
    return saved
}

/// A path given on the command line.
func fileURL(_ path: String) -> URL { URL(fileURLWithPath: (path as NSString).expandingTildeInPath) }
