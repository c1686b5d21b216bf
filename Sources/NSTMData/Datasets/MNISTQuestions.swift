import NSTMTensor

/// Handwritten digits with a text question about each: a task with two inputs of different modalities, both needed for the
/// answer.
///
/// The first input is the image in patches (`MNIST`), the second a question in bytes, padded with spaces to `length`. The four
/// kinds of questions have equal probability: "which digit?", "is it even?", "is it above k?" (k = 0 … 8) and "is it k?" (k is
/// the digit itself with probability 1/2). The answer is one of twelve classes: a digit, no, or yes.
public struct MNISTQuestions: Dataset {
    /// Number of classes.
    public static let classes = 12
    /// Class of the answer no.
    public static let no = 10
    /// Class of the answer yes.
    public static let yes = 11
    /// Length of a question, in bytes.
    public static let length = 14

    /// The images.
    public let digits: MNIST
    public let name = "mnist-questions"
    public let fingerprint: String
    public let inputKind: InputKind
    public let targetKind = TargetKind.classes(count: MNISTQuestions.classes)
    public var featureScale: InputNoise.FeatureScale? { digits.featureScale }
    public var contextLength: Int { digits.contextLength + MNISTQuestions.length }

    public var inputLengths: [ClosedRange<Int>] {
        digits.inputLengths + [MNISTQuestions.length...MNISTQuestions.length]
    }

    /// Questions about the images of a dataset.
    public init(_ digits: MNIST) {
        self.digits = digits
        inputKind = .streams([digits.inputKind, .tokens(vocabulary: 256)])
        let settings = "nstm mnist questions 1, \(digits.fingerprint)"
        fingerprint = FileDigest(of: settings).sha256
    }

    public func trainingBatch(step: Int, size: Int, key: RandomKey) -> Batch {
        let questions = key.fold("questions").fold(step)
        return ask(digits.trainingBatch(step: step, size: size, key: key)) { questions.fold($0) }
    }
    public func evaluationBatches(size: Int, limit: Int?) -> BatchSequence {
        let all = digits.evaluationBatches(size: size, limit: nil), questions = RandomKey(0).fold("mnist questions")
        return BatchSequence(total: all.count, limit: limit) { i in ask(all[i]) { questions.fold(i * size + $0) } }
    }

    /// A question about an image of a digit, and its answer.
    static func question(about digit: Int, _ key: RandomKey) -> (text: String, answer: Int) {
        let kind = key.integer(0, below: 4)
        func answer(_ isTrue: Bool) -> Int { isTrue ? yes : no }
        switch kind {
        case 0: return ("which digit?", digit)
        case 1: return ("is it even?", answer(digit % 2 == 0))
        case 2:
            let k = key.integer(1, below: 9)
            return ("is it above \(k)?", answer(digit > k))
        default:
            // The digit itself with probability 1/2.
            let k = key.integer(2, below: 2) == 0 ? digit : (digit + 1 + key.integer(3, below: 9)) % 10
            return ("is it \(k)?", answer(k == digit))
        }
    }
    private func ask(_ batch: Batch, _ key: (Int) -> RandomKey) -> Batch {
        let asked = batch.targets.elements(Int32.self).enumerated().map { MNISTQuestions.question(about: Int($1), key($0)) }
        let bytes = asked.flatMap { question in
            let text = question.text.utf8.map { Int32($0) }
            return text + Array(repeating: 32, count: MNISTQuestions.length - text.count)
        }
        return Batch(
            inputs: batch.inputs, and: [Tensor(bytes, [asked.count, MNISTQuestions.length])],
            targets: Tensor(asked.map { Int32($0.answer) }))
    }
}
