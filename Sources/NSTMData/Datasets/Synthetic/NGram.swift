import Foundation
import NSTMTensor

extension Synthetic {
    /// Dynamic n-grams: predict the next bit of a random binary source that is new in every sequence (Graves, Wayne and
    /// Danihelka, "Neural Turing Machines", 2014, section 4.4).
    ///
    /// For each sequence, a table gives every context of c bits a probability of a 1, drawn from Beta(½, ½); c = 5 in the paper,
    /// a 6-gram model with 2⁵ probabilities. The first c bits are fair. With c = 2 and L = 8 bits (`.` is masked):
    ///
    ///     position   0 1 2 3 4 5 6
    ///     inputs     1 0 0 1 0 0 1
    ///     targets    . 0 1 0 0 1 1
    ///     mask       0 1 1 1 1 1 1
    ///
    /// T = L − 1, the inputs and the targets are [B, T, 1]; the L − c bits that follow a complete context count.
    ///
    /// The best prediction is known in closed form, (N₁ + ½) / (N₀ + N₁ + 1) with the counts of zeros and ones after the same
    /// context so far. Its loss is in `Batch.optimalLoss`, and evaluations report it as `optimal-loss` beside the loss of the
    /// model.
    public struct NGram: LengthTask {
        public static let validLengths = 2...1_000_000
        /// c, the number of bits on which the next one depends.
        public let context: Int
        /// L, in bits.
        public let lengths: Lengths

        public let name = "n-gram"
        public let inputKind = InputKind.features(width: 1)
        public let targetKind = TargetKind.binary(width: 1)
        public var featureScale: InputNoise.FeatureScale? { InputNoise.FeatureScale() }
        public var settings: String { "nstm n-gram 1, context \(context), \(lengths.text)" }

        /// - Parameters:
        ///   - context: c, 1...16; 5 in the paper.
        ///   - lengths: L, in bits, each 2...1,000,000 and more than c; 200 in the paper.
        /// - Throws: `DatasetError.invalid` with all issues.
        public init(context: Int = 5, lengths: Lengths = Lengths(200, 200)) throws(DatasetError) {
            var issues = Issues()
            issues.check("the context", context, 1...16)
            issues.list += lengths.issues(in: Self.validLengths)
            let smallest = min(lengths.minimum, lengths.evaluationLengths.min() ?? .max)
            if issues.list.isEmpty, smallest <= context {
                issues.list.append("the length \(smallest) is not above the context \(context)")
            }
            try issues.throwIfAny(dataset: "n-gram")
            (self.context, self.lengths) = (context, lengths)
        }

        public func issue(_ form: Int) -> String? {
            context + 1...Self.validLengths.upperBound ~= form ? nil : "\(form) bits, needs more than the context of \(context)"
        }
        public func positions(_ form: Int) -> Int { form - 1 }
        public func write(_ form: Int, key: RandomKey, to sequence: inout Writer) {
            let table = key.fold("table"), draws = key.fold("bits")
            var bits: [Int] = [], code = 0
            for i in 0..<form {
                // The distribution function of Beta(½, ½) is 2/π · asin √p.
                let p = i < context ? 0.5 : pow(sin(.pi / 2 * table.uniform(code)), 2)
                let bit = draws.uniform(i) < p ? 1 : 0
                bits.append(bit)
                code = (code << 1 | bit) & (1 << context - 1)
            }
            for i in 0..<form - 1 { sequence.setInput(i, channel: 0, to: Float(bits[i])) }
            for i in context..<form { sequence.setTarget(i - 1, channel: 0, to: Float(bits[i])) }
            sequence.addOptimalLoss(Self.optimalLoss(bits, context: context) * Double(form - context))
        }

        /// The best prediction of a bit: its probability of being 1 after a context that was followed by the given numbers of
        /// zeros and ones, the mean of the posterior Beta(ones + ½, zeros + ½).
        public static func optimalPrediction(zeros: Int, ones: Int) -> Double { (Double(ones) + 0.5) / Double(zeros + ones + 1) }
        /// The mean loss of the best predictions, in nats per bit, over the bits of a sequence that follow a complete context.
        /// - Parameters:
        ///   - bits: more than `context` bits, each 0 or 1.
        ///   - context: c, 1...16.
        public static func optimalLoss(_ bits: [Int], context: Int) -> Double {
            guard 1...16 ~= context, bits.count > context, bits.allSatisfy({ 0...1 ~= $0 }) else {
                nstmFatal(
                    .other(
                        op: "NGram.optimalLoss",
                        "context \(context), needs 1...16, and more bits, 0 or 1; got \(bits.count) numbers"))
            }
            var counts = [Int](repeating: 0, count: 2 << context), loss = 0.0, history = 0
            for (i, bit) in bits.enumerated() {
                if i >= context {
                    let p = optimalPrediction(zeros: counts[2 * history], ones: counts[2 * history + 1])
                    loss -= log(bit == 1 ? p : 1 - p)
                    counts[2 * history + bit] += 1
                }
                history = (history << 1 | bit) & (1 << context - 1)
            }
            return loss / Double(bits.count - context)
        }
    }
}
