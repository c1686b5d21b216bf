import NSTMData
import NSTMTensor

/// How often each class was taken for each other one.
public struct ConfusionMatrix: Sendable, Equatable {
    public let classes: Int
    /// [classes · classes]; rows are what was right, columns what was answered.
    public private(set) var counts: [Int]

    public init(classes: Int) {
        self.classes = classes
        counts = Array(repeating: 0, count: classes * classes)
    }

    /// How often the class `target` was answered with `answer`.
    public subscript(target: Int, answer: Int) -> Int { counts[target * classes + answer] }

    /// Adds a batch; the answer is the class with the largest logit.
    /// - Parameters:
    ///   - logits: floating-point [B, classes].
    ///   - targets: int32 [B].
    public mutating func add(logits: Tensor, targets: Tensor) {
        guard logits.rank == 2, logits.shape == Shape([targets.count, classes]) else {
            nstmFatal(.other(op: "ConfusionMatrix", "logits \(logits.shape), targets \(targets.shape), \(classes) classes"))
        }
        for (answer, target) in zip(logits.argmax().elements(Int32.self), targets.elements(Int32.self)) {
            counts[Int(target) * classes + Int(answer)] += 1
        }
    }

    /// The share of right answers; 0 when nothing was added.
    public var accuracy: Double {
        let right = (0..<classes).reduce(0) { $0 + self[$1, $1] }
        return Double(right) / Double(max(1, counts.reduce(0, +)))
    }
    /// The mean over classes of F1 = 2·hits / (targets + answers), every class alike. A class that was neither right nor answered
    /// anywhere does not count.
    public var macroF1: Double {
        let scores = (0..<classes).compactMap { c -> Double? in
            let targets = (0..<classes).reduce(0) { $0 + self[c, $1] }, answers = (0..<classes).reduce(0) { $0 + self[$1, c] }
            return targets + answers == 0 ? nil : 2 * Double(self[c, c]) / Double(targets + answers)
        }
        return scores.reduce(0, +) / Double(max(1, scores.count))
    }
}

extension TargetKind {
    /// The number of classes of a classification task.
    var classes: Int? { if case .classes(let count) = self { count } else { nil } }
}
