import NSTMData
import NSTMTensor

/// The confusion matrix of a classification.
public struct ConfusionMatrix: Sendable, Equatable {
    /// Number of classes.
    public let classes: Int
    /// Counts, [classes · classes] in row-major order; rows are targets, columns are predictions.
    public private(set) var counts: [Int]

    public init(classes: Int) {
        self.classes = classes
        counts = Array(repeating: 0, count: classes * classes)
    }

    /// The number of samples of class `target` that were predicted as class `prediction`.
    public subscript(target: Int, prediction: Int) -> Int { counts[target * classes + prediction] }

    /// Adds a batch.
    ///
    /// The prediction is the class with the largest logit. Stops the program if the shapes do not match.
    /// - Parameters:
    ///   - logits: floating-point [B, classes].
    ///   - targets: int32 [B].
    public mutating func add(logits: Tensor, targets: Tensor) {
        guard logits.rank == 2, logits.shape == Shape([targets.count, classes]) else {
            nstmFatal(
                .other(
                    op: "ConfusionMatrix",
                    "logits \(logits.shape), targets \(targets.shape); needs [B, \(classes)] and [B]"))
        }
        for (prediction, target) in zip(logits.argmax().elements(Int32.self), targets.elements(Int32.self)) {
            counts[Int(target) * classes + Int(prediction)] += 1
        }
    }

    /// Fraction of correct predictions; 0 without samples.
    public var accuracy: Double {
        let correct = (0..<classes).reduce(0) { $0 + self[$1, $1] }
        return Double(correct) / Double(max(1, counts.reduce(0, +)))
    }
    /// Unweighted mean over classes of F1 = 2 · correct / (targets + predictions).
    ///
    /// Classes without targets and predictions are excluded.
    public var macroF1: Double {
        let scores = (0..<classes).compactMap { c -> Double? in
            let targets = (0..<classes).reduce(0) { $0 + self[c, $1] }
            let predictions = (0..<classes).reduce(0) { $0 + self[$1, c] }
            return targets + predictions == 0 ? nil : 2 * Double(self[c, c]) / Double(targets + predictions)
        }
        return scores.reduce(0, +) / Double(max(1, scores.count))
    }
}

extension TargetKind {
    /// Number of classes of a classification task; nil for other tasks.
    var classes: Int? { if case .classes(let count) = self { count } else { nil } }
}
