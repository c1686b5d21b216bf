import Foundation
import NSTMTensor

/// Multi-query associative recall (MQAR) of Arora et al., "Zoology: Measuring and improving recall in efficient language models"
/// (2023), section 3 and appendix E.
///
/// A sequence starts with n key-value pairs. Every key then occurs once more as a query, whose target is the value. With n = 2
/// pairs (A → x, B → y), T = 12 and blanks (`.`) elsewhere:
///
///     position   0 1 2 3 4 5 6 7 8 9 …
///     inputs     A x B y . . B . A . …
///     targets                y   x           mask 1 there, 0 elsewhere
///
/// Queries are at positions 2n + 2g, where the gaps g are drawn from 0 ..< T/2 − n without replacement by the power law of the
/// paper, p(g) ∝ (g + 1)^(α − 1) with α = 0.01: most queries are early, some late. Keys are distinct tokens of the lower half of
/// the vocabulary, without 0; values are distinct tokens of the upper half. The tokens alone do not determine which value belongs
/// to which key.
///
/// A sequence depends only on the key, the step and its index in the batch, not on the batch size.
public struct RecallTask: Dataset {
    /// The tokens at positions without a pair or a query.
    public enum Filler: String, Sendable, CaseIterable {
        /// Token 0.
        case blank
        /// Any token of the vocabulary, uniformly distributed.
        case random
    }
    /// The length and the number of pairs of a sequence.
    public struct Form: Sendable, Equatable {
        /// T, in positions.
        public let length: Int
        /// n, the number of key-value pairs.
        public let pairs: Int
        public init(length: Int, pairs: Int) {
            self.length = length
            self.pairs = pairs
        }
        /// Number of possible gaps of a query.
        var gaps: Int { length / 2 - pairs }
    }

    /// V, the number of tokens.
    public let vocabulary: Int
    /// Form of training sequences.
    public let training: Form
    /// Forms of the evaluation split, in order.
    public let evaluation: [Form]
    /// Number of evaluation sequences per form.
    public let evaluationCount: Int
    /// Tokens at positions without a pair or a query.
    public let filler: Filler
    /// α of the power law: 1 for uniform gaps; the smaller, the more probable are short gaps.
    public let alpha: Double

    public let name = "recall"
    public let fingerprint: String
    public var inputKind: InputKind { .tokens(vocabulary: vocabulary) }
    public var targetKind: TargetKind { .answers(vocabulary: vocabulary) }
    public var contextLength: Int { training.length }
    public var evaluationLength: Int { evaluation.map(\.length).max()! }

    /// - Parameters:
    ///   - vocabulary: V, 4...1,000,000; 8192 in the paper.
    ///   - length: T, even, at least 4n so that all queries fit, at most 1,000,000.
    ///   - pairs: n, 1...V/2 − 1.
    ///   - evaluation: forms of the evaluation split, which may be longer and have more pairs; nil for the form of training.
    ///   - evaluationCount: number of evaluation sequences per form, 1...1,000,000.
    ///   - filler: tokens at positions without a pair or a query.
    ///   - alpha: α of the power law of the gaps, −100...100.
    /// - Throws: `DatasetError.invalid` with all issues.
    public init(
        vocabulary: Int = 256, length: Int = 128, pairs: Int = 8, evaluation: [Form]? = nil, evaluationCount: Int = 200,
        filler: Filler = .blank, alpha: Double = 0.01
    ) throws(DatasetError) {
        let training = Form(length: length, pairs: pairs), evaluation = evaluation ?? [training]
        var issues: [String] = []
        func check(_ what: String, _ value: Int, _ range: ClosedRange<Int>) {
            if !range.contains(value) { issues.append("\(what) is \(value), outside \(range)") }
        }
        check("the vocabulary", vocabulary, 4...1_000_000)
        check("the number of evaluation sequences", evaluationCount, 1...1_000_000)
        if !(alpha.isFinite && abs(alpha) <= 100) { issues.append("alpha is \(alpha), outside -100...100") }
        if evaluation.isEmpty { issues.append("there is no evaluation form") }
        // The training form, which is the default, is checked once.
        for (name, form) in [("training", training)] + evaluation.filter({ $0 != training }).map({ ("evaluation", $0) }) {
            let what = "a \(name) sequence of \(form.length) positions with \(form.pairs) pairs"
            if form.pairs < 1 || form.length > 1_000_000 {
                issues.append("\(what): there must be at least 1 pair and at most 1000000 positions")
            } else if form.length % 2 != 0 || form.length / 4 < form.pairs {
                issues.append("\(what): the length must be even and at least 4 times the number of pairs")
            } else if vocabulary >= 4 && form.pairs > vocabulary / 2 - 1 {
                issues.append("\(what): a vocabulary of \(vocabulary) has only \(vocabulary / 2 - 1) keys")
            }
        }
        guard issues.isEmpty else { throw .invalid(dataset: "recall", issues: issues) }
        self.vocabulary = vocabulary
        self.training = training
        self.evaluation = evaluation
        self.evaluationCount = evaluationCount
        self.filler = filler
        self.alpha = alpha
        let forms = ([training] + evaluation).map { "\($0.length)/\($0.pairs)" }.joined(separator: " ")
        let settings = "nstm recall 1, vocabulary \(vocabulary), \(filler), alpha \(alpha), \(forms) × \(evaluationCount)"
        fingerprint = FileDigest(of: settings).sha256
    }

    // MARK: Batches

    public func trainingBatch(step: Int, size: Int, key: RandomKey) -> Batch {
        let key = key.fold("recall").fold(step)
        return batch(training, size: size) { key.fold($0) }
    }

    public func evaluationBatches(size: Int, limit: Int?) -> BatchSequence {
        let perForm = evaluation.map { evaluationBatches($0, count: evaluationCount, size: size) }, each = perForm[0].count
        return BatchSequence(total: each * perForm.count, limit: limit) { perForm[$0 / each][$0 % each] }
    }

    /// An evaluation set of one form.
    ///
    /// A sequence depends only on the task, the form and its index: a smaller set is a prefix of a larger one. Stops the program
    /// if the form is invalid for the vocabulary.
    /// - Parameters:
    ///   - count: number of sequences, at least 1.
    ///   - size: largest B, at least 1.
    public func evaluationBatches(_ form: Form, count: Int, size: Int) -> BatchSequence {
        guard form.pairs >= 1, form.pairs < vocabulary / 2, form.gaps >= form.pairs, form.length % 2 == 0, count >= 1, size >= 1
        else {
            nstmFatal(
                .other(
                    op: "RecallTask.evaluationBatches",
                    "invalid form or size: length \(form.length), pairs \(form.pairs), vocabulary \(vocabulary), count \(count), "
                        + "batch size \(size)"))
        }
        let sequences = RandomKey(0).fold("recall evaluation").fold(form.length).fold(form.pairs)
        return BatchSequence(total: (count + size - 1) / size) { i in
            batch(form, size: Swift.min(size, count - i * size)) { sequences.fold(i * size + $0) }
        }
    }

    /// - Parameter key: the random key of a sequence by its index in the batch.
    private func batch(_ form: Form, size: Int, key: (Int) -> RandomKey) -> Batch {
        guard size >= 1 else { nstmFatal(.other(op: "RecallTask", "batch size \(size) must be at least 1")) }
        let length = form.length, pairs = form.pairs, half = vocabulary / 2
        let logWeights = (0..<form.gaps).map { (alpha - 1) * log(Double($0 + 1)) }
        var inputs = [Int32](repeating: 0, count: size * length)
        // −1 is not a token, so that masked targets are recognizable without the mask.
        var targets = [Int32](repeating: -1, count: size * length)
        var mask = [Float](repeating: 0, count: size * length)
        for b in 0..<size {
            let key = key(b), start = b * length
            if filler == .random {
                let fill = key.fold("filler")
                for i in 2 * pairs..<length { inputs[start + i] = Int32(fill.integer(i, below: vocabulary)) }
            }
            let keys = key.fold("keys"), values = key.fold("values"), gaps = distinctGaps(pairs, logWeights, key.fold("gaps"))
            for i in 0..<pairs {
                let name = Int32(1 + keys.permuted(i, of: half - 1))
                let value = Int32(half + values.permuted(i, of: vocabulary - half))
                let query = start + 2 * pairs + 2 * gaps[i]
                inputs[start + 2 * i] = name
                inputs[start + 2 * i + 1] = value
                inputs[query] = name
                targets[query] = value
                mask[query] = 1
            }
        }
        return Batch(
            inputs: Tensor(inputs, [size, length]), targets: Tensor(targets, [size, length]), mask: Tensor(mask, [size, length]),
            tokenCount: size * pairs)
    }
    /// Distinct gaps by sequential weighted sampling without replacement: the largest of the log-weights with Gumbel noise added
    /// (Yellott 1977; Vieira 2014).
    private func distinctGaps(_ count: Int, _ logWeights: [Double], _ key: RandomKey) -> [Int] {
        let scores = logWeights.enumerated().map { i, w in w - log(-log(max(key.uniform(i), 0x1p-54))) }
        return Array(scores.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }.prefix(count))
    }
}
