import Foundation
import NSTM

extension RunEnvironment {
    /// Versions, threads and kernels in one line.
    var line: String {
        "NSTM \(frameworkVersion), \(threads) thread\(threads == 1 ? "" : "s"), \(kernels) kernels, OpenBLAS core \(openBLASCore)"
    }
}

/// Maximum of arguments that are lengths of sequences in tokens.
let maximumLength = 16_777_216

/// An error of the arguments of a command.
enum CommandError: Error, CustomStringConvertible {
    case otherConfiguration(checkpoint: String, differences: [ConfigurationDifference])
    case nothingToResume(folder: String)
    case notLanguage(path: String, data: String)
    case notStreamable(path: String, limitation: String)
    case otherInputs(trained: String, data: String)
    case onlyData(keys: [String])
    case otherData(paths: [String])
    case onlyTraining(keys: [String])
    case output(reason: String)

    var description: String {
        switch self {
        case .otherConfiguration(let checkpoint, let differences):
            "\(checkpoint) was trained with another configuration, and a run must be resumed with its own. Differences (given, stored):"
                + differences.map { "\n  - \($0)" }.joined()
                + "\nOmit the configuration, or train in another folder with --output."
        case .nothingToResume(let folder):
            "\(folder): no checkpoint to resume from. Pass one, or the folder of a run: --resume runs/NAME"
        case .notStreamable(let path, let limitation):
            "\(path): the model \(limitation), so that it cannot generate token by token"
        case .notLanguage(let path, let data): "\(path): trained on '\(data)', which is not text, so that it cannot generate text"
        case .otherInputs(let trained, let data):
            "the model was trained on '\(trained)'; '\(data)' has another vocabulary, number of features or number of classes"
        case .otherData(let paths):
            "\(paths.joined(separator: " and ")) have different data or splits, so that results are not comparable. "
                + "Use --set to set keys under data for all runs"
        case .output(let reason): "standard output cannot be written: \(reason)"
        case .onlyTraining(let keys): "only keys under training can be set here, not " + keys.joined(separator: ", ")
        case .onlyData(let keys):
            "only keys under data and training.evaluation can be set for an evaluation, not " + keys.joined(separator: ", ")
        }
    }
}
