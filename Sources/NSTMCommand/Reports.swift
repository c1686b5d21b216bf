import Foundation
import NSTM

extension RunEnvironment {
    /// One line on what a run computes with.
    var line: String {
        "NSTM \(frameworkVersion), \(threads) thread\(threads == 1 ? "" : "s"), \(kernels) kernels, OpenBLAS core \(openBLASCore)"
    }
}

/// What goes wrong between the arguments and the library.
enum CommandError: Error, CustomStringConvertible {
    case otherConfiguration(checkpoint: String, differences: [ConfigurationDifference])
    case nothingToResume(folder: String)
    case notLanguage(path: String, data: String)
    case notStreamable(path: String, obstacle: String)
    case otherInputs(trained: String, data: String)
    case onlyData(keys: [String])
    case otherData(paths: [String])
    case onlyTraining(keys: [String])
    case output(reason: String)

    var description: String {
        switch self {
        case .otherConfiguration(let checkpoint, let differences):
            "\(checkpoint) was trained with another configuration; a run is resumed with its own. Different keys (given, stored):"
                + differences.map { "\n  - \($0)" }.joined()
                + "\nLeave the configuration out, or train in another folder with --output."
        case .nothingToResume(let folder):
            "\(folder): no checkpoint to resume from. Pass one, or the folder of a run: --resume runs/NAME"
        case .notStreamable(let path, let obstacle): "\(path): the model \(obstacle), so that it cannot go on token by token"
        case .notLanguage(let path, let data): "\(path): trained on '\(data)', which is not text; there is nothing to generate"
        case .otherInputs(let trained, let data):
            "the model reads and answers what '\(trained)' has; '\(data)' differs in its number of tokens, features or answers"
        case .otherData(let paths):
            "\(paths.joined(separator: " and ")) were not trained on the same data, or with another split; numbers would not compare. "
                + "Keys under data can be set for all with --set"
        case .output(let reason): "standard output cannot be written: \(reason)"
        case .onlyTraining(let keys): "only keys under training can be set here, not " + keys.joined(separator: ", ")
        case .onlyData(let keys):
            "only keys under data and training.evaluation can be set for an evaluation, not " + keys.joined(separator: ", ")
        }
    }
}
