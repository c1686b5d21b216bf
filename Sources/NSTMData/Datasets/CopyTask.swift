import NSTMTensor

/// Remember a sequence of random bit vectors and say it again: the copy task of Graves, Wayne and Danihelka, "Neural Turing
/// Machines" (2014), section 4.1.
///
/// `L` vectors, a delimiter in a channel of its own, then `L` blank inputs during which the vectors have to be reproduced. With
/// 3 bits and L = 3 (`.` is 0 and does not count where it stands in a target):
///
///     position        0 1 2 3 4 5 6
///     inputs  bit 0   1 0 1 . . . .        targets  bit 0   . . . . 1 0 1
///             bit 1   0 0 1 . . . .                 bit 1   . . . . 0 0 1
///             bit 2   1 1 0 . . . .                 bit 2   . . . . 1 1 0
///             end     . . . 1 . . .        mask             0 0 0 0 1 1 1
///
/// So T = 2L + 1, the inputs are [B, T, bits + 1], the targets [B, T, bits], and a target is the input of L + 1 positions before.
/// There is no start marker: a sequence begins where the states are fresh, and the paper has none either.
///
/// All sequences of a batch have the same length, drawn for the batch, so nothing is padded. A sequence depends on the key, the
/// step and its place in the batch only, not on the size of the batch.
public struct CopyTask: Dataset {
    /// Bits of a vector.
    public let bits: Int
    /// Lengths in training, each as likely as the others.
    public let lengths: ClosedRange<Int>
    /// The lengths of the evaluation split, in its order.
    public let evaluationLengths: [Int]
    /// Sequences of the evaluation split for each of its lengths.
    public let evaluationCount: Int

    public let name = "copy"
    public let fingerprint: String
    public var inputKind: InputKind { .features(width: bits + 1) }
    public var targetKind: TargetKind { .binary(width: bits) }
    public var featureScale: FeatureScale? { FeatureScale() }
    /// The positions of the longest training sequence.
    public var contextLength: Int { CopyTask.positions(length: lengths.upperBound) }
    public var evaluationLength: Int { CopyTask.positions(length: evaluationLengths.max()!) }

    /// - Parameters:
    ///   - bits: bits of a vector, 8 in the paper.
    ///   - minimumLength: the shortest training sequence, in vectors.
    ///   - maximumLength: the longest training sequence, in vectors; 20 in the paper.
    ///   - evaluationLengths: nil for the longest training length alone.
    ///   - evaluationCount: evaluation sequences for each length.
    /// - Throws: `DatasetError.invalid` with all issues.
    public init(
        bits: Int = 8, minimumLength: Int = 1, maximumLength: Int = 20, evaluationLengths: [Int]? = nil,
        evaluationCount: Int = 100
    ) throws(DatasetError) {
        let evaluationLengths = evaluationLengths ?? [maximumLength]
        var issues: [String] = []
        func check(_ what: String, _ value: Int, _ range: ClosedRange<Int>) {
            if !range.contains(value) { issues.append("\(what) is \(value); it must lie in \(range)") }
        }
        check("the number of bits", bits, 1...1024)
        check("the minimum length", minimumLength, 1...100_000)
        check("the maximum length", maximumLength, 1...100_000)
        check("the number of evaluation sequences", evaluationCount, 1...1_000_000)
        // The default repeats the maximum length, which has had its say.
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
        var digest = DigestCounter()
        digest.update("nstm copy 1, bits \(bits), lengths \(lengths), evaluation \(evaluationLengths) × \(evaluationCount)")
        fingerprint = digest.finish().sha256
    }

    /// T for L vectors.
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

    /// An evaluation set of one length, which may be longer than any in training. A sequence depends on the bits, the length and
    /// its place in the set only: a larger set begins with the smaller one.
    public func evaluationBatches(length: Int, count: Int, size: Int) -> BatchSequence {
        guard length >= 1, count >= 1, size >= 1 else {
            fatalError("evaluationBatches: length \(length), \(count) sequences in batches of \(size)")
        }
        let sequences = RandomKey(0).fold("copy evaluation").fold(length)
        return BatchSequence(total: (count + size - 1) / size) { i in
            batch(length: length, size: Swift.min(size, count - i * size)) { sequences.fold(i * size + $0) }
        }
    }

    /// - Parameter key: the random stream of a sequence of the batch.
    private func batch(length: Int, size: Int, key: (Int) -> RandomKey) -> Batch {
        guard size >= 1 else { fatalError("copy: a batch of \(size) sequences") }
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

    /// Fair bits, 128 of them from each counter value of the stream.
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
