import Foundation
import NSTMAutograd
import NSTMData
import NSTMModules
import NSTMTensor

/// The loss of a batch, in nats for each position that counts.
public func taskLoss(_ logits: Variable, _ batch: Batch, _ kind: TargetKind) -> Variable {
    switch kind {
    case .nextToken, .answers, .classes: logits.crossEntropy(batch.targets, weights: batch.mask)
    case .binary: logits.binaryCrossEntropy(batch.targets, weights: batch.mask?.unsqueezed(axis: -1))
    }
}

extension SequenceModel {
    /// The loss of a batch (`taskLoss`), of whatever number of inputs.
    public func loss(_ batch: Batch, _ kind: TargetKind, _ context: ForwardContext) -> Variable {
        taskLoss(self(batch.streams, context), batch, kind)
    }
}

/// Named numbers in a fixed order: `loss` first, then what fits the task: `perplexity` for text, `accuracy` for answers, `bit-errors` for
/// binary targets, `accuracy` and `macro-f1` for classes.
public struct Metrics: Sendable, Equatable, CustomStringConvertible {
    public private(set) var pairs: [(name: String, value: Double)] = []
    public init() {}
    /// What an evaluation measures.
    public static func names(for target: TargetKind) -> [String] {
        switch target {
        case .nextToken: ["loss", "perplexity"]
        case .answers: ["loss", "accuracy"]
        case .binary: ["loss", "bit-errors"]
        case .classes: ["loss", "accuracy", "macro-f1"]
        }
    }
    static let allNames = ["loss", "perplexity", "bit-errors", "accuracy", "macro-f1"]
    /// Whether a metric is the better the larger it is.
    public static func rises(_ name: String) -> Bool { ["accuracy", "macro-f1"].contains(name) }

    /// Setting nil removes a name.
    public subscript(name: String) -> Double? {
        get { pairs.first { $0.name == name }?.value }
        set {
            guard let newValue else { return pairs.removeAll { $0.name == name } }
            if let i = pairs.firstIndex(where: { $0.name == name }) {
                pairs[i].value = newValue
            } else {
                pairs.append((name, newValue))
            }
        }
    }
    public static func == (a: Metrics, b: Metrics) -> Bool {
        a.pairs.map(\.name) == b.pairs.map(\.name) && a.pairs.map(\.value) == b.pairs.map(\.value)
    }
    public var description: String { pairs.map { "\($0.name) \(String(format: "%.4f", $0.value))" }.joined(separator: "  ") }
}

/// Measures a model over batches.
/// - Parameter weights: of linear maps, in bfloat16; nil: the model's.
/// - Returns: `loss` (nats a position); `perplexity` for text; `accuracy` (the fraction of correct answers) for answers;
///   `bit-errors` (mean per sequence) for binary targets; `accuracy` and `macro-f1` for classes.
public func evaluate(
    _ model: SequenceModel, on batches: some Sequence<Batch>, target: TargetKind, weights: BFloat16Weights? = nil
)
    -> Metrics
{
    var loss = 0.0, positions = 0.0, sequences = 0.0, wrong = 0.0, right = 0.0
    var confusion = ConfusionMatrix(classes: target.classes ?? 0)
    for batch in batches {
        let logits = model(batch.streams, ForwardContext(.evaluate, weights: weights))
        let n = Double(batch.tokenCount)
        loss += taskLoss(logits, batch, target).value.item() * n
        positions += n
        sequences += Double(batch.sequenceCount)
        switch target {
        case .nextToken: break
        case .answers: right += batch.correctTokens(logits: logits.value).reduce(0) { $0 + Double($1) }
        case .binary: wrong += batch.bitErrors(logits: logits.value).reduce(0) { $0 + Double($1) }
        case .classes: confusion.add(logits: logits.value, targets: batch.targets)
        }
    }
    var metrics = Metrics()
    metrics["loss"] = loss / max(1, positions)
    switch target {
    case .nextToken: metrics["perplexity"] = exp(loss / max(1, positions))
    case .answers: metrics["accuracy"] = right / max(1, positions)
    case .binary: metrics["bit-errors"] = wrong / max(1, sequences)
    case .classes:
        metrics["accuracy"] = confusion.accuracy
        metrics["macro-f1"] = confusion.macroF1
    }
    return metrics
}
