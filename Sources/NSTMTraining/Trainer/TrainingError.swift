/// Why training cannot go on.
public enum TrainingError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The loss, an element of the gradient (path and index of the first one), or, without either, only the gradient's norm is not
    /// finite; also the parameter with the largest element of the gradient, and that, and the newest checkpoint of the run, if any.
    case nonFinite(step: Int, loss: Double, gradient: String?, largest: String?, checkpoint: String?)
    case otherData(dataset: String, saved: String, found: String)
    case otherOptimizer(saved: String, found: String)
    case log(path: String, reason: String)
    /// The folder cannot be made or used.
    case folder(path: String, reason: String)
    /// The folder has the checkpoints of another run, or later ones of this run.
    case folderInUse(path: String, newest: String, step: Int)
    /// Another process writes to the folder; who that is, as far as known.
    case folderLocked(path: String, holder: String?)
    /// A run would delete what it resumes from.
    case overwritesItself(path: String)
    case noSuchMetric(String, dataset: String, known: [String])
    /// What the model needs of its inputs is not what the dataset has.
    case unfit(dataset: String, issues: [String])

    public var description: String {
        switch self {
        case .nonFinite(let step, let loss, let gradient, let largest, let checkpoint):
            "step \(step): " + TrainingError.overflow(step: step, loss: loss, gradient: gradient, largest: largest)
                + (checkpoint.map { " The last checkpoint is \($0)." } ?? " This run has saved no checkpoint yet.")
        case .otherData(let dataset, let saved, let found):
            "the checkpoint was trained on other data than this '\(dataset)': "
                + "fingerprint \(saved.prefix(16))…, found \(found.prefix(16))…"
        case .otherOptimizer(let saved, let found):
            "the checkpoint holds the state of '\(saved)', the configuration asks for '\(found)'"
        case .log(let path, let reason): "\(path): \(reason)"
        case .folder(let path, let reason): "\(path): \(reason)"
        case .folderInUse(let path, let newest, let step):
            "\(path): holds checkpoints up to \(newest), and the run would begin at step \(step). Nothing was changed. "
                + "Resume from that checkpoint (--resume), write to another folder (--output), or throw those away (--overwrite)."
        case .overwritesItself(let path):
            "\(path): is the folder of the checkpoint that the run resumes from, which overwriting would delete. Nothing was "
                + "changed. Write to another folder."
        case .folderLocked(let path, let holder):
            "\(path): another process is writing to this folder (\(holder ?? "which one is not known")). Nothing was changed. "
                + "Wait until it has ended, or write to another folder (--output)."
        case .unfit(let dataset, let issues):
            "the model does not fit the dataset '\(dataset)', which has " + issues.joined(separator: "; and ")
        case .noSuchMetric(let name, let dataset, let known):
            "training cannot stop at '\(name)': the dataset '\(dataset)' has \(known.joined(separator: ", "))"
        }
    }

    /// What overflowed, and what helps against that. In the first step no update can be to blame.
    private static func overflow(step: Int, loss: Double, gradient: String?, largest: String?) -> String {
        let what: String
        if !loss.isFinite {
            what = "the loss is \(loss)" + (gradient.map { ", and the gradient is not finite, first at \($0)" } ?? "")
        } else if let gradient {
            what = "the loss is \(loss), but the gradient overflowed in the backward pass, first at \(gradient)"
        } else {
            what =
                "the loss is \(loss) and every element of the gradient is finite, but the gradient's norm overflowed"
                + (largest.map { "; the largest element is in \($0)" } ?? "")
        }
        let remedy =
            step == 1
            ? "No update has been made, so it is not the learning rate: the model is too deep or its initial parameters are too large."
            : loss.isFinite
                ? "Lower the learning rate, or make the model less deep." : "Lower the learning rate, or clip the gradient."
        let isElement = !loss.isFinite || gradient != nil
        return "\(what). Nothing was updated. \(remedy)"
            + (isElement ? " --check-finite names the operation that overflows." : "")
    }
}
