import NSTMTensor

/// The copy task: reproduce a sequence of random bit vectors (Graves, Wayne and Danihelka, "Neural Turing Machines", 2014,
/// section 4.1).
///
/// A sequence has L vectors, a delimiter in a separate channel, and L blank inputs during which the vectors must be output. With
/// 3 bits and L = 3 (`.` is 0, and masked in the targets):
///
///     position        0 1 2 3 4 5 6
///     inputs  bit 0   1 0 1 . . . .        targets  bit 0   . . . . 1 0 1
///             bit 1   0 0 1 . . . .                 bit 1   . . . . 0 0 1
///             bit 2   1 1 0 . . . .                 bit 2   . . . . 1 1 0
///             end     . . . 1 . . .        mask             0 0 0 0 1 1 1
///
/// So T = 2L + 1, the inputs are [B, T, bits + 1], the targets [B, T, bits], and a target equals the input L + 1 positions
/// earlier. As in the paper, there is no start marker.
///
/// Lengths are uniformly distributed in training.
public struct CopyTask: SyntheticTask {
    /// Number of bits of a vector.
    public let bits: Int
    /// Range of the lengths L in training, uniformly distributed.
    public let lengths: ClosedRange<Int>
    /// Lengths L of the evaluation split, in order.
    public let evaluationLengths: [Int]
    /// Number of evaluation sequences per length.
    public let evaluationCount: Int

    public let name = "copy"
    public var inputKind: InputKind { .features(width: bits + 1) }
    public var targetKind: TargetKind { .binary(width: bits) }
    public var featureScale: InputNoise.FeatureScale? { InputNoise.FeatureScale() }
    public var trainingLengths: ClosedRange<Int>? { lengths }
    public var largestForm: Int { lengths.upperBound }
    public var evaluationForms: [Int] { evaluationLengths }
    public var settings: String {
        "nstm copy 1, bits \(bits), lengths \(lengths), evaluation \(evaluationLengths) × \(evaluationCount)"
    }

    /// - Parameters:
    ///   - bits: number of bits of a vector, 1...1024; 8 in the paper.
    ///   - minimumLength: smallest L in training, 1...100,000.
    ///   - maximumLength: largest L in training, 1...100,000; 20 in the paper.
    ///   - evaluationLengths: lengths L of the evaluation split; nil for the largest training length.
    ///   - evaluationCount: number of evaluation sequences per length, 1...1,000,000.
    /// - Throws: `DatasetError.invalid` with all issues.
    public init(
        bits: Int = 8, minimumLength: Int = 1, maximumLength: Int = 20, evaluationLengths: [Int]? = nil,
        evaluationCount: Int = 100
    ) throws(DatasetError) {
        var issues = Synthetic.Issues()
        issues.check("the number of bits", bits, 1...1024)
        let all = Synthetic.Lengths(
            minimumLength, maximumLength, evaluation: evaluationLengths, evaluationCount: evaluationCount)
        issues.list += all.issues(in: 1...100_000)
        try issues.throwIfAny(dataset: "copy")
        self.bits = bits
        self.lengths = minimumLength...maximumLength
        self.evaluationLengths = evaluationLengths ?? [maximumLength]
        self.evaluationCount = evaluationCount
    }

    /// T, the number of positions of a sequence of L vectors.
    public static func positions(length: Int) -> Int { 2 * length + 1 }

    /// An evaluation set of one length, which may exceed those of training.
    ///
    /// A sequence depends only on the number of bits, the length and its index: a smaller set is a prefix of a larger one.
    /// - Parameters:
    ///   - length: L, at least 1.
    ///   - count: number of sequences, at least 1.
    ///   - size: largest B, at least 1.
    public func evaluationBatches(length: Int, count: Int, size: Int) -> BatchSequence {
        evaluationBatches(length, count: count, size: size)
    }

    // MARK: Sequences

    public func trainingForm(difficulty: Double, key: RandomKey) -> Int {
        key.fold("length").length(lengths, difficulty: difficulty)
    }
    public func issue(_ form: Int) -> String? { form >= 1 ? nil : "length \(form), needs at least 1" }
    public func sizes(_ form: Int) -> [Int] { [form] }
    public func positions(_ form: Int) -> Int { CopyTask.positions(length: form) }
    public func write(_ form: Int, key: RandomKey, to sequence: inout Synthetic.Writer) {
        let values = key.bits(form * bits)
        for i in 0..<form {
            let vector = values[i * bits..<(i + 1) * bits]
            sequence.setInput(i, to: vector)
            sequence.setTarget(form + 1 + i, to: vector)
        }
        sequence.setInput(form, channel: bits, to: 1)
    }
}
