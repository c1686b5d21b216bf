import Foundation
import NSTMTensor

/// Remember pairs of a key and a value and answer queries: multi-query associative recall (MQAR) of Arora et al., "Zoology:
/// Measuring and improving recall in efficient language models" (2023), section 3 and appendix E.
///
/// A sequence begins with n pairs; then every key comes once more, and there the value has to be answered. With n = 2 pairs
/// (A → x, B → y), T = 12 and a blank (`.`) where nothing is asked:
///
///     position   0 1 2 3 4 5 6 7 8 9 …
///     inputs     A x B y . . B . A . …
///     targets                y   x           mask 1 there, 0 elsewhere
///
/// Queries stand at 2n + 2g, and the gaps g are drawn from 0 ..< T/2 − n without replacement by the power law of the paper,
/// p(g) ∝ (g + 1)^(α − 1) with α = 0.01: most keys are asked soon, some late. Keys are distinct tokens of the lower half of the
/// vocabulary but 0, values distinct ones of the upper half, so that the tokens do not tell which value belongs to which key.
///
/// A sequence depends on the key, the step and its place in the batch only, not on the size of the batch.
public struct RecallTask: Dataset {
    /// What stands where there is neither a pair nor a query.
    public enum Filler: String, Sendable, CaseIterable {
        /// Token 0.
        case blank
        /// Any token of the vocabulary, as likely as any other.
        case random
    }
    /// Sequences of one kind: T positions with n pairs.
    public struct Form: Sendable, Equatable {
        public let length: Int, pairs: Int
        public init(length: Int, pairs: Int) {
            self.length = length
            self.pairs = pairs
        }
        /// The gaps that a query can have.
        var gaps: Int { length / 2 - pairs }
    }

    public let vocabulary: Int
    public let training: Form
    /// The parts of the evaluation split, in its order.
    public let evaluation: [Form]
    /// Sequences of the evaluation split for each of its forms.
    public let evaluationCount: Int
    public let filler: Filler
    /// α of the power law: 1 makes all gaps alike, 0 and below short ones ever more likely.
    public let alpha: Double

    public let name = "recall"
    public let fingerprint: String
    public var inputKind: InputKind { .tokens(vocabulary: vocabulary) }
    public var targetKind: TargetKind { .answers(vocabulary: vocabulary) }
    public var contextLength: Int { training.length }
    public var evaluationLength: Int { evaluation.map(\.length).max()! }

    /// - Parameters:
    ///   - vocabulary: V; 8192 in the paper.
    ///   - length: T, even, at least 4n so that there is room for the queries.
    ///   - pairs: n, at most V/2 − 1.
    ///   - evaluation: nil for the form of training; may be longer and have more pairs.
    ///   - evaluationCount: evaluation sequences for each form.
    /// - Throws: `DatasetError.invalid` with all issues.
    public init(
        vocabulary: Int = 256, length: Int = 128, pairs: Int = 8, evaluation: [Form]? = nil, evaluationCount: Int = 200,
        filler: Filler = .blank, alpha: Double = 0.01
    ) throws(DatasetError) {
        let training = Form(length: length, pairs: pairs), evaluation = evaluation ?? [training]
        var issues: [String] = []
        func check(_ what: String, _ value: Int, _ range: ClosedRange<Int>) {
            if !range.contains(value) { issues.append("\(what) is \(value); it must lie in \(range)") }
        }
        check("the vocabulary", vocabulary, 4...1_000_000)
        check("the number of evaluation sequences", evaluationCount, 1...1_000_000)
        if !(alpha.isFinite && abs(alpha) <= 100) { issues.append("alpha is \(alpha); it must lie in -100...100") }
        if evaluation.isEmpty { issues.append("there is no evaluation form") }
        // The default repeats the training form, which has had its say.
        for (name, form) in [("training", training)] + evaluation.filter({ $0 != training }).map({ ("evaluation", $0) }) {
            let what = "a \(name) sequence of \(form.length) positions with \(form.pairs) pairs"
            if form.pairs < 1 || form.length > 1_000_000 {
                issues.append("\(what): it needs at least 1 pair and at most 1000000 positions")
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
        var digest = DigestCounter()
        let forms = ([training] + evaluation).map { "\($0.length)/\($0.pairs)" }.joined(separator: " ")
        digest.update("nstm recall 1, vocabulary \(vocabulary), \(filler), alpha \(alpha), \(forms) × \(evaluationCount)")
        fingerprint = digest.finish().sha256
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

    /// An evaluation set of one form. A sequence depends on the task, the form and its place in the set only: a larger set begins
    /// with the smaller one.
    public func evaluationBatches(_ form: Form, count: Int, size: Int) -> BatchSequence {
        guard form.pairs >= 1, form.pairs < vocabulary / 2, form.gaps >= form.pairs, form.length % 2 == 0, count >= 1, size >= 1
        else {
            fatalError("evaluationBatches: \(form), \(count) sequences in batches of \(size), vocabulary \(vocabulary)")
        }
        let sequences = RandomKey(0).fold("recall evaluation").fold(form.length).fold(form.pairs)
        return BatchSequence(total: (count + size - 1) / size) { i in
            batch(form, size: Swift.min(size, count - i * size)) { sequences.fold(i * size + $0) }
        }
    }

    /// - Parameter key: the random stream of a sequence of the batch.
    private func batch(_ form: Form, size: Int, key: (Int) -> RandomKey) -> Batch {
        guard size >= 1 else { fatalError("recall: a batch of \(size) sequences") }
        let length = form.length, pairs = form.pairs, half = vocabulary / 2
        let logWeights = (0..<form.gaps).map { (alpha - 1) * log(Double($0 + 1)) }
        var inputs = [Int32](repeating: 0, count: size * length)
        // Below 0: no answer, for whoever reads the targets without the mask.
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
    /// Draws one after the other, each by its weight among those that are left. Adding Gumbel noise to the logarithms and sorting
    /// is the same draw (Yellott 1977; Vieira 2014).
    private func distinctGaps(_ count: Int, _ logWeights: [Double], _ key: RandomKey) -> [Int] {
        let scores = logWeights.enumerated().map { i, w in w - log(-log(max(key.uniform(i), 0x1p-54))) }
        return Array(scores.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }.prefix(count))
    }
}
