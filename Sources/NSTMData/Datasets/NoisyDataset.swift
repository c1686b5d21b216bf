import NSTMTensor

/// A dataset with corrupted evaluation inputs.
///
/// Targets, masks and training batches are those of the clean dataset.
///
/// The corruption of a sequence is a function of the seed, the kind of noise and the index of the sequence in the split, so that
/// it is the same for all models. Of several inputs, only those of the noise's type are corrupted.
public struct NoisyDataset: Dataset {
    /// The dataset without noise.
    public let clean: any Dataset
    /// The noise of the evaluation inputs.
    public let noise: InputNoise
    /// Seed of the noise.
    public let seed: Int
    /// SHA-256 of the content and its split, in hexadecimal.
    public let fingerprint: String

    public var name: String { clean.name }
    public var inputKind: InputKind { clean.inputKind }
    public var targetKind: TargetKind { clean.targetKind }
    public var contextLength: Int { clean.contextLength }
    public var evaluationLength: Int { clean.evaluationLength }
    public var inputLengths: [ClosedRange<Int>] { clean.inputLengths }
    public var trainingLengths: ClosedRange<Int>? { clean.trainingLengths }
    public var featureScale: InputNoise.FeatureScale? { clean.featureScale }

    /// A dataset with noise.
    /// - Throws: `DatasetError.invalid` with all reasons why the noise cannot be applied.
    public init(_ clean: any Dataset, _ noise: InputNoise, seed: Int = 1) throws(DatasetError) {
        try NoisyDataset.check([noise], on: clean)
        self.clean = clean
        self.noise = noise
        self.seed = seed
        let settings = "nstm noise 1, \(noise.kind.rawValue) \(noise.strength), seed \(seed), \(clean.fingerprint)"
        fingerprint = FileDigest(of: settings).sha256
    }
    /// Checks that each noise can be applied to a dataset.
    /// - Throws: `DatasetError.invalid` with the issues of all of them.
    public static func check(_ noises: [InputNoise], on dataset: any Dataset) throws(DatasetError) {
        var issues: [String] = []
        for issue in noises.flatMap({ $0.issues(for: dataset) }) where !issues.contains(issue) { issues.append(issue) }
        guard issues.isEmpty else { throw .invalid(dataset: dataset.name, issues: issues) }
    }

    public func trainingBatch(step: Int, size: Int, key: RandomKey) -> Batch {
        clean.trainingBatch(step: step, size: size, key: key)
    }
    public func trainingBatch(step: Int, size: Int, key: RandomKey, difficulty: Double) -> Batch {
        clean.trainingBatch(step: step, size: size, key: key, difficulty: difficulty)
    }
    public func evaluationBatches(size: Int, limit: Int?) -> BatchSequence {
        let all = clean.evaluationBatches(size: size, limit: nil)
        let key = RandomKey(UInt64(bitPattern: Int64(seed))).fold("input noise").fold(noise.kind.rawValue)
        return BatchSequence(total: all.count, limit: limit) { i in
            let batch = all[i], kinds = if case .streams(let kinds) = inputKind { kinds } else { [inputKind] }
            let streams = zip(batch.streams, kinds).enumerated().map { n, stream in
                corrupt(stream.0, stream.1) { key.fold(n).fold(i * size + $0) }
            }
            return Batch(
                inputs: streams[0], and: Array(streams.dropFirst()), targets: batch.targets, mask: batch.mask,
                tokenCount: batch.tokenCount)
        }
    }
    private func corrupt(_ x: Tensor, _ kind: InputKind, _ key: (Int) -> RandomKey) -> Tensor {
        guard noise.strength > 0, noise.kind.fits(kind), x.shape[0] > 0 else { return x }
        let length = x.count / x.shape[0]
        func rows<Element>(_ elements: [Element], _ corruptRow: (inout ArraySlice<Element>, RandomKey) -> Void) -> [Element] {
            var elements = elements
            for row in 0..<x.shape[0] { corruptRow(&elements[row * length..<(row + 1) * length], key(row)) }
            return elements
        }
        if case .tokens(let vocabulary) = kind {
            return Tensor(rows(x.elements(Int32.self)) { noise.corrupt(&$0, vocabulary: vocabulary, $1) }, x.shape)
        }
        return Tensor(rows(x.elements(Float.self)) { noise.corrupt(&$0, featureScale, $1) }, x.shape)
    }
}
