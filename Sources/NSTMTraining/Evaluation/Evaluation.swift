import Foundation
import NSTMAutograd
import NSTMData
import NSTMModules
import NSTMTensor

/// The loss of a batch: the mean over unmasked targets, in nats; for numbers (`TargetKind.values`) the mean squared error.
/// - Parameter logits: output of the model, of the shape for the targets.
public func taskLoss(_ logits: Variable, _ batch: Batch, _ kind: TargetKind) -> Variable {
    switch kind {
    case .nextToken, .answers, .classes: logits.crossEntropy(batch.targets, weights: batch.mask)
    case .binary: logits.binaryCrossEntropy(batch.targets, weights: batch.mask?.unsqueezed(axis: -1))
    case .values: logits.meanSquaredError(batch.targets, weights: batch.mask?.unsqueezed(axis: -1))
    }
}

extension SequenceModel {
    /// The loss of the model on a batch (`taskLoss`), with one or several inputs.
    public func loss(_ batch: Batch, _ kind: TargetKind, _ context: ForwardContext) -> Variable {
        taskLoss(self(batch.streams, context), batch, kind)
    }
}

/// Named values in a fixed order: `loss`, then the metrics of the task: `perplexity` for next tokens, `accuracy` for answers,
/// `bit-errors` for binary targets, `mse` for numbers, `accuracy` and `macro-f1` for classes; last `optimal-loss`, if it is known.
public struct Metrics: Sendable, Equatable, CustomStringConvertible {
    /// All names and values, in order.
    public private(set) var pairs: [(name: String, value: Double)] = []
    public init() {}
    /// The names of the metrics of a task by which training can stop.
    public static func names(for target: TargetKind) -> [String] {
        switch target {
        case .nextToken: ["loss", "perplexity"]
        case .answers: ["loss", "accuracy"]
        case .binary: ["loss", "bit-errors"]
        case .values: ["loss", "mse"]
        case .classes: ["loss", "accuracy", "macro-f1"]
        }
    }
    static let allNames = ["loss", "optimal-loss", "perplexity", "bit-errors", "mse", "accuracy", "macro-f1"]
    /// Metrics that need no chart beside the loss: perplexity is its exponential, and the optimal loss is constant.
    static let uncharted: Set = ["perplexity", "optimal-loss"]
    /// Whether larger values of a metric are better.
    public static func rises(_ name: String) -> Bool { ["accuracy", "macro-f1"].contains(name) }

    /// The value of a metric; nil when it is absent.
    ///
    /// Assigning nil removes it.
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

/// Evaluates a model on batches.
/// - Parameters:
///   - model: the model.
///   - batches: the data.
///   - target: type of the targets.
///   - weights: weights of linear maps in bfloat16; nil for those of the model.
/// - Returns: `loss` (nats per target); `perplexity` for next tokens; `accuracy` (fraction of correct tokens) for answers;
///   `bit-errors` (mean number of bit errors per sequence) for binary targets; `mse` (mean squared error, the loss) for numbers;
///   `accuracy` and `macro-f1` for classes; `optimal-loss` if all batches have an `optimalLoss`.
public func evaluate(
    _ model: SequenceModel, on batches: some Sequence<Batch>, target: TargetKind, weights: BFloat16Weights? = nil
)
    -> Metrics
{
    var loss = 0.0, targets = 0.0, sequences = 0.0, bitErrors = 0.0, correct = 0.0
    var optimum: Double? = 0
    var confusion = ConfusionMatrix(classes: target.classes ?? 0)
    for batch in batches {
        let logits = model(batch.streams, ForwardContext(.evaluate, weights: weights))
        let n = Double(batch.tokenCount)
        loss += taskLoss(logits, batch, target).value.item() * n
        targets += n
        optimum = optimum.flatMap { sum in batch.optimalLoss.map { sum + $0 * n } }
        sequences += Double(batch.sequenceCount)
        switch target {
        case .nextToken, .values: break
        case .answers: correct += batch.correctTokens(logits: logits.value).reduce(0) { $0 + Double($1) }
        case .binary: bitErrors += batch.bitErrors(logits: logits.value).reduce(0) { $0 + Double($1) }
        case .classes: confusion.add(logits: logits.value, targets: batch.targets)
        }
    }
    var metrics = Metrics()
    metrics["loss"] = loss / max(1, targets)
    switch target {
    case .nextToken: metrics["perplexity"] = exp(loss / max(1, targets))
    case .answers: metrics["accuracy"] = correct / max(1, targets)
    case .binary: metrics["bit-errors"] = bitErrors / max(1, sequences)
    case .values: metrics["mse"] = loss / max(1, targets)
    case .classes:
        metrics["accuracy"] = confusion.accuracy
        metrics["macro-f1"] = confusion.macroF1
    }
    if let optimum, targets > 0 { metrics["optimal-loss"] = optimum / targets }
    return metrics
}
