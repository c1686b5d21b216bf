import NSTMTensor

extension Synthetic {
    /// The adding problem: output the sum of the two marked numbers of a sequence (Hochreiter and Schmidhuber, "Long short-term
    /// memory", 1997, experiment 4; in this form Arjovsky, Shah and Bengio, "Unitary evolution recurrent neural networks", 2016).
    ///
    /// Numbers are uniform in [0, 1). One of the first half and one of the second half is marked, all with the same probability.
    /// With T = 6:
    ///
    ///     position         0    1    2    3    4    5
    ///     inputs  number   .43  .81  .07  .55  .62  .90        targets   .    .    .    .    .    1.43
    ///             marker   .    1    .    .    1    .          mask      0    0    0    0    0    1
    ///
    /// The inputs are [B, T, 2], the targets [B, T, 1], regressed with the mean squared error. Always answering 1 has an error of
    /// 1/6, the variance of the sum of two such numbers.
    public struct Adding: LengthTask {
        public static let validLengths = 2...1_000_000
        /// T, in positions.
        public let lengths: Lengths

        public let name = "adding"
        public let inputKind = InputKind.features(width: 2)
        public let targetKind = TargetKind.values(width: 1)
        public var featureScale: InputNoise.FeatureScale? { InputNoise.FeatureScale() }
        public var settings: String { "nstm adding 1, \(lengths.text)" }

        /// - Parameter lengths: T, each 2...1,000,000.
        /// - Throws: `DatasetError.invalid` with all issues.
        public init(lengths: Lengths = Lengths(100, 100)) throws(DatasetError) {
            var issues = Issues()
            issues.list += lengths.issues(in: Self.validLengths)
            try issues.throwIfAny(dataset: "adding")
            self.lengths = lengths
        }

        public func positions(_ form: Int) -> Int { form }
        public func write(_ form: Int, key: RandomKey, to sequence: inout Writer) {
            let draws = key.fold("numbers"), markers = key.fold("markers"), half = form / 2
            let numbers = (0..<form).map { Float(draws.uniform($0)) }
            for (i, number) in numbers.enumerated() { sequence.setInput(i, channel: 0, to: number) }
            let marked = [markers.integer(0, below: half), half + markers.integer(1, below: form - half)]
            for i in marked { sequence.setInput(i, channel: 1, to: 1) }
            sequence.setTarget(form - 1, channel: 0, to: numbers[marked[0]] + numbers[marked[1]])
        }
    }
}
