/// An error that ends or prevents training.
public enum TrainingError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The loss, the gradient or its norm is non-finite. `gradient` is path and index of the first non-finite element, `largest`
    /// the parameter and magnitude of the largest element, and `checkpoint` the newest checkpoint of the run.
    case nonFinite(step: Int, loss: Double, gradient: String?, largest: String?, checkpoint: String?)
    /// The dataset differs from that of the checkpoint; fingerprints of both.
    case otherData(dataset: String, saved: String, found: String)
    /// The optimizer differs from that of the checkpoint; names of both.
    case otherOptimizer(saved: String, found: String)
    /// The metrics log cannot be read or written.
    case log(path: String, reason: String)
    /// The folder cannot be created or used.
    case folder(path: String, reason: String)
    /// The folder has checkpoints of another run, or later ones of this run.
    case folderInUse(path: String, newest: String, step: Int)
    /// Another process writes to the folder; `holder` describes it, if known.
    case folderLocked(path: String, holder: String?)
    /// The run would delete the checkpoint that it resumes from.
    case overwritesItself(path: String)
    /// The metric of a stopping criterion is not among those of the dataset.
    case noSuchMetric(String, dataset: String, known: [String])
    /// The dataset has no range of training lengths for a curriculum.
    case noLengths(dataset: String)
    /// The model does not accept the inputs of the dataset.
    case unfit(dataset: String, issues: [String])

    public var description: String {
        switch self {
        case .nonFinite(let step, let loss, let gradient, let largest, let checkpoint):
            "step \(step): " + TrainingError.overflow(step: step, loss: loss, gradient: gradient, largest: largest)
                + (checkpoint.map { " The last checkpoint is \($0)." } ?? " This run has saved no checkpoint yet.")
        case .otherData(let dataset, let saved, let found):
            "the checkpoint was trained on data that differs from this '\(dataset)': "
                + "fingerprint \(saved.prefix(16))…, found \(found.prefix(16))…"
        case .otherOptimizer(let saved, let found):
            "the checkpoint has the state of the optimizer '\(saved)', the configuration specifies '\(found)'"
        case .log(let path, let reason): "\(path): \(reason)"
        case .folder(let path, let reason): "\(path): \(reason)"
        case .folderInUse(let path, let newest, let step):
            "\(path): has checkpoints up to \(newest), but the run would start at step \(step). Nothing was changed. "
                + "Resume from that checkpoint (--resume), write to another folder (--output), or delete them (--overwrite)."
        case .overwritesItself(let path):
            "\(path): is the folder of the checkpoint that the run resumes from, which overwriting would delete. Nothing was "
                + "changed. Write to another folder."
        case .folderLocked(let path, let holder):
            "\(path): another process is writing to this folder (\(holder ?? "unknown process")). Nothing was changed. "
                + "Wait until it has ended, or write to another folder (--output)."
        case .unfit(let dataset, let issues):
            "the model is not compatible with the dataset '\(dataset)', which has " + issues.joined(separator: "; and ")
        case .noLengths(let dataset):
            "training.curriculum limits the lengths of training sequences, and the dataset '\(dataset)' has no range of lengths"
        case .noSuchMetric(let name, let dataset, let known):
            "training cannot stop by '\(name)': the metrics of the dataset '\(dataset)' are \(known.joined(separator: ", "))"
        }
    }

    /// Description of the overflow and a remedy, which is not the learning rate in the first step.
    private static func overflow(step: Int, loss: Double, gradient: String?, largest: String?) -> String {
        let what: String
        if !loss.isFinite {
            what = "the loss is \(loss)" + (gradient.map { ", and the gradient is non-finite, first at \($0)" } ?? "")
        } else if let gradient {
            what = "the loss is \(loss), but the gradient overflowed in the backward pass, first at \(gradient)"
        } else {
            what =
                "the loss is \(loss) and every element of the gradient is finite, but the gradient's norm overflowed"
                + (largest.map { "; the largest element is in \($0)" } ?? "")
        }
        let remedy =
            step == 1
            ? "The learning rate is not the cause in the first step: the model is too deep, or its initial parameters are too large."
            : loss.isFinite
                ? "Lower the learning rate, or make the model less deep." : "Lower the learning rate, or clip the gradient."
        let isElement = !loss.isFinite || gradient != nil
        return "\(what). Nothing was updated. \(remedy)"
            + (isElement ? " --check-finite names the operation that overflows." : "")
    }
}
