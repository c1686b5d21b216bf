import NSTM

/// Flip-flop language modeling (Liu et al., 2023, "Exposing attention glitches with flip-flop language modeling").
///
/// A sequence is a list of instructions, each followed by a bit: `write` stores the bit, `ignore` is followed by a random bit, and
/// `read` by the bit that was written last, which is the target at that position:
///
///     inputs    w 1 i 0 i 1 r . w 0 …
///     targets               1         at the position of r
///
/// The first instruction writes and the last one reads. A model must keep one bit over any number of ignored ones.
public struct FlipFlopTask: Dataset {
    /// Number of instructions of a sequence.
    public let instructions: Int
    /// Probability that an inner instruction is `ignore`; the others are `write` and `read` in equal shares.
    public let ignore: Double
    /// Number of sequences of the validation split.
    public let evaluationCount: Int

    public let name = "flip-flop"
    public let fingerprint: String
    /// Bits 0 and 1, then `write` 2, `ignore` 3 and `read` 4.
    public var inputKind: InputKind { .tokens(vocabulary: 5) }
    public var targetKind: TargetKind { .answers(vocabulary: 5) }
    public var contextLength: Int { 2 * instructions }

    /// - Throws: `DatasetError.invalid` with all issues.
    public init(instructions: Int, ignore: Double, evaluationCount: Int) throws(DatasetError) {
        var issues: [String] = []
        if !(2...50_000).contains(instructions) { issues.append("\(instructions) instructions, expected 2 … 50000") }
        if !(0...1).contains(ignore) { issues.append("the probability \(ignore) of ignoring is outside 0 … 1") }
        if evaluationCount < 1 { issues.append("\(evaluationCount) evaluation sequences, expected at least 1") }
        guard issues.isEmpty else { throw .invalid(dataset: "flip-flop", issues: issues) }
        (self.instructions, self.ignore, self.evaluationCount) = (instructions, ignore, evaluationCount)
        // The generator has no file: the text that determines it has a version, which changes with the generator.
        fingerprint = FileDigest(of: "flip-flop 1, \(instructions) instructions, ignore \(ignore), \(evaluationCount)").sha256
    }
    public func trainingBatch(step: Int, size: Int, key: RandomKey) -> Batch {
        let key = key.fold("flip-flop").fold(step)
        return batch((0..<size).map { key.fold($0) })
    }
    public func evaluationBatches(size: Int, limit: Int?) -> BatchSequence {
        let key = RandomKey(0).fold("flip-flop evaluation"), count = evaluationCount
        return BatchSequence(total: (count + size - 1) / size, limit: limit) { i in
            batch((i * size..<min(count, (i + 1) * size)).map { key.fold($0) })
        }
    }
    /// One sequence per key.
    private func batch(_ keys: [RandomKey]) -> Batch {
        let length = contextLength, shape: Shape = [keys.count, length]
        var inputs: [Int32] = [], targets = [Int32](repeating: -1, count: keys.count * length)
        var mask = [Float](repeating: 0, count: targets.count)
        for key in keys {
            var stored: Int32 = 0
            for i in 0..<instructions {
                let u = key.uniform(2 * i), bit: Int32 = key.uniform(2 * i + 1) < 0.5 ? 0 : 1
                if i == instructions - 1 || (i > 0 && u >= (1 + ignore) / 2) {
                    targets[inputs.count] = stored
                    mask[inputs.count] = 1
                    inputs += [4, stored]
                } else if i == 0 || u >= ignore {
                    stored = bit
                    inputs += [2, bit]
                } else {
                    inputs += [3, bit]
                }
            }
        }
        return Batch(inputs: Tensor(inputs, shape), targets: Tensor(targets, shape), mask: Tensor(mask, shape))
    }
}

extension FlipFlopTask {
    /// The settings of `flip-flop`.
    public struct Configuration: DatasetConfiguration {
        public static let type = "flip-flop"
        public static let summary = "the bit that was written last, after ignored ones"
        public var instructions = 16
        public var ignore = 0.8
        public var evaluationCount = 200
        public init() {}
        public mutating func read(_ reader: ConfigurationReader, _ folder: DatasetFolder) {
            instructions = reader.int("instructions", default: instructions, in: 2...50_000)
            ignore = reader.double("ignore", default: ignore, in: 0...1)
            evaluationCount = reader.int("evaluation-count", default: evaluationCount, in: 1...1_000_000)
        }
        public func open(_ folder: DatasetFolder, _ opening: OpenedDataset.Options) throws -> OpenedDataset {
            let task = try FlipFlopTask(instructions: instructions, ignore: ignore, evaluationCount: evaluationCount)
            return OpenedDataset(task)
        }
    }
}
