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
/// All sequences of a batch have the same length, drawn per batch, so there is no padding. A sequence depends only on the key,
/// the step and its index in the batch, not on the batch size.
public struct CopyTask: Dataset {
    /// Number of bits of a vector.
    public let bits: Int
    /// Range of the lengths L in training, uniformly distributed.
    public let lengths: ClosedRange<Int>
    /// Lengths L of the evaluation split, in order.
    public let evaluationLengths: [Int]
    /// Number of evaluation sequences per length.
    public let evaluationCount: Int

    public let name = "copy"
    public let fingerprint: String
    public var inputKind: InputKind { .features(width: bits + 1) }
    public var targetKind: TargetKind { .binary(width: bits) }
    public var featureScale: InputNoise.FeatureScale? { InputNoise.FeatureScale() }
    /// Number of positions of the longest training sequence.
    public var contextLength: Int { CopyTask.positions(length: lengths.upperBound) }
    public var evaluationLength: Int { CopyTask.positions(length: evaluationLengths.max()!) }

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
        let evaluationLengths = evaluationLengths ?? [maximumLength]
        var issues: [String] = []
        func check(_ what: String, _ value: Int, _ range: ClosedRange<Int>) {
            if !range.contains(value) { issues.append("\(what) is \(value), outside \(range)") }
        }
        check("the number of bits", bits, 1...1024)
        check("the minimum length", minimumLength, 1...100_000)
        check("the maximum length", maximumLength, 1...100_000)
        check("the number of evaluation sequences", evaluationCount, 1...1_000_000)
        // The maximum length, which is the default, has been checked.
        for length in evaluationLengths where length != maximumLength { check("an evaluation length", length, 1...100_000) }
        if evaluationLengths.isEmpty { issues.append("there is no evaluation length") }
        if minimumLength > maximumLength {
            issues.append("the minimum length \(minimumLength) is above the maximum length \(maximumLength)")
        }
        guard issues.isEmpty else { throw .invalid(dataset: "copy", issues: issues) }
        self.bits = bits
        self.lengths = minimumLength...maximumLength
        self.evaluationLengths = evaluationLengths
        self.evaluationCount = evaluationCount
        let settings = "nstm copy 1, bits \(bits), lengths \(lengths), evaluation \(evaluationLengths) × \(evaluationCount)"
        fingerprint = FileDigest(of: settings).sha256
    }

    /// T, the number of positions of a sequence of L vectors.
    public static func positions(length: Int) -> Int { 2 * length + 1 }

    // MARK: Batches

    public func trainingBatch(step: Int, size: Int, key: RandomKey) -> Batch {
        let key = key.fold("copy").fold(step)
        let length = lengths.lowerBound + key.fold("length").integer(0, below: lengths.count)
        let sequences = key.fold("sequences")
        return batch(length: length, size: size) { sequences.fold($0) }
    }

    public func evaluationBatches(size: Int, limit: Int?) -> BatchSequence {
        let perLength = evaluationLengths.map { evaluationBatches(length: $0, count: evaluationCount, size: size) }
        let each = perLength[0].count
        return BatchSequence(total: each * perLength.count, limit: limit) { perLength[$0 / each][$0 % each] }
    }

    /// An evaluation set of one length, which may exceed those of training.
    ///
    /// A sequence depends only on the number of bits, the length and its index: a smaller set is a prefix of a larger one.
    /// - Parameters:
    ///   - length: L, at least 1.
    ///   - count: number of sequences, at least 1.
    ///   - size: largest B, at least 1.
    public func evaluationBatches(length: Int, count: Int, size: Int) -> BatchSequence {
        guard length >= 1, count >= 1, size >= 1 else {
            nstmFatal(
                .other(
                    op: "CopyTask.evaluationBatches",
                    "length \(length), count \(count), batch size \(size) must all be at least 1"))
        }
        let sequences = RandomKey(0).fold("copy evaluation").fold(length)
        return BatchSequence(total: (count + size - 1) / size) { i in
            batch(length: length, size: Swift.min(size, count - i * size)) { sequences.fold(i * size + $0) }
        }
    }

    /// - Parameter key: the random key of a sequence by its index in the batch.
    private func batch(length: Int, size: Int, key: (Int) -> RandomKey) -> Batch {
        guard size >= 1 else { nstmFatal(.other(op: "CopyTask", "batch size \(size) must be at least 1")) }
        let positions = CopyTask.positions(length: length), channels = bits + 1
        let values = (0..<size).map { randomBits(length * bits, key($0)) }
        let inputs = Tensor([size, positions, channels], initializing: Float.self) { p in
            p.update(repeating: 0)
            for (b, bit) in values.enumerated() {
                for i in 0..<length {
                    for c in 0..<bits { p[(b * positions + i) * channels + c] = bit[i * bits + c] }
                }
                p[(b * positions + length) * channels + bits] = 1
            }
        }
        let targets = Tensor([size, positions, bits], initializing: Float.self) { p in
            p.update(repeating: 0)
            for (b, bit) in values.enumerated() {
                let recall = (b * positions + length + 1) * bits
                for i in bit.indices { p[recall + i] = bit[i] }
            }
        }
        let mask = Tensor([size, positions], initializing: Float.self) { p in
            for i in p.indices { p[i] = i % positions > length ? 1 : 0 }
        }
        return Batch(inputs: inputs, targets: targets, mask: mask, tokenCount: size * length)
    }

    /// Uniform random bits, 128 from each counter value of the key.
    private func randomBits(_ count: Int, _ key: RandomKey) -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { p, initialized in
            var words = SIMD4<UInt32>()
            for i in 0..<count {
                if i % 128 == 0 { words = key.words(UInt64(i / 128)) }
                p[i] = words[i % 128 / 32] >> UInt32(i % 32) & 1 == 1 ? 1 : 0
            }
            initialized = count
        }
    }
}
