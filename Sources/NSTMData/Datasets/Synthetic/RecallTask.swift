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
/// All training sequences have one form, so there are no lengths for a curriculum to limit.
public struct RecallTask: SyntheticTask {
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
    public var inputKind: InputKind { .tokens(vocabulary: vocabulary) }
    public var targetKind: TargetKind { .answers(vocabulary: vocabulary) }
    public var largestForm: Form { training }
    public var evaluationForms: [Form] { evaluation }
    public var settings: String {
        let forms = ([training] + evaluation).map { "\($0.length)/\($0.pairs)" }.joined(separator: " ")
        return "nstm recall 1, vocabulary \(vocabulary), \(filler), alpha \(alpha), \(forms) × \(evaluationCount)"
    }

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
        var issues = Synthetic.Issues()
        issues.check("the vocabulary", vocabulary, 4...1_000_000)
        issues.check("the number of evaluation sequences", evaluationCount, 1...1_000_000)
        if !(alpha.isFinite && abs(alpha) <= 100) { issues.list.append("alpha is \(alpha), outside -100...100") }
        if evaluation.isEmpty { issues.list.append("there is no evaluation form") }
        // The training form, which is the default, is checked once.
        for (name, form) in [("training", training)] + evaluation.filter({ $0 != training }).map({ ("evaluation", $0) }) {
            let what = "a \(name) sequence of \(form.length) positions with \(form.pairs) pairs"
            if form.pairs < 1 || form.length > 1_000_000 {
                issues.list.append("\(what): there must be at least 1 pair and at most 1000000 positions")
            } else if form.length % 2 != 0 || form.length / 4 < form.pairs {
                issues.list.append("\(what): the length must be even and at least 4 times the number of pairs")
            } else if vocabulary >= 4 && form.pairs > vocabulary / 2 - 1 {
                issues.list.append("\(what): a vocabulary of \(vocabulary) has only \(vocabulary / 2 - 1) keys")
            }
        }
        try issues.throwIfAny(dataset: "recall")
        self.vocabulary = vocabulary
        self.training = training
        self.evaluation = evaluation
        self.evaluationCount = evaluationCount
        self.filler = filler
        self.alpha = alpha
    }

    // MARK: Sequences

    public func trainingForm(difficulty: Double, key: RandomKey) -> Form { training }
    public func sequencesKey(_ key: RandomKey) -> RandomKey { key }
    public func issue(_ form: Form) -> String? {
        let isValid = form.pairs >= 1 && form.pairs < vocabulary / 2 && form.gaps >= form.pairs && form.length % 2 == 0
        return isValid ? nil : "invalid form: length \(form.length), pairs \(form.pairs), vocabulary \(vocabulary)"
    }
    public func sizes(_ form: Form) -> [Int] { [form.length, form.pairs] }
    public func positions(_ form: Form) -> Int { form.length }
    public func write(_ form: Form, key: RandomKey, to sequence: inout Synthetic.Writer) {
        let pairs = form.pairs, half = vocabulary / 2
        if filler == .random {
            let fill = key.fold("filler")
            for i in 2 * pairs..<form.length { sequence.setInput(i, token: fill.integer(i, below: vocabulary)) }
        }
        let keys = key.fold("keys"), values = key.fold("values"), gaps = distinctGaps(form, key.fold("gaps"))
        for i in 0..<pairs {
            let name = 1 + keys.permuted(i, of: half - 1), value = half + values.permuted(i, of: vocabulary - half)
            let query = 2 * pairs + 2 * gaps[i]
            sequence.setInput(2 * i, token: name)
            sequence.setInput(2 * i + 1, token: value)
            sequence.setInput(query, token: name)
            sequence.setTarget(query, token: value)
        }
    }
    /// Distinct gaps by sequential weighted sampling without replacement: the largest of the log-weights with Gumbel noise added
    /// (Yellott 1977; Vieira 2014).
    private func distinctGaps(_ form: Form, _ key: RandomKey) -> [Int] {
        let scores = (0..<form.gaps).map { gap in
            (alpha - 1) * log(Double(gap + 1)) - log(-log(max(key.uniform(gap), 0x1p-54)))
        }
        return Array(scores.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }.prefix(form.pairs))
    }
}
