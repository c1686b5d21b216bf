import NSTMTensor

extension Synthetic {
    /// Sorting: output the tokens of a sequence in ascending order ("bucket sort" of Delétang et al., "Neural networks and the
    /// Chomsky hierarchy", 2023).
    ///
    /// L random tokens are followed by a marker (M, the last token) and L blanks (token 0). With L = 4:
    ///
    ///     position   0 1 2 3 4 5 6 7 8
    ///     inputs     5 2 7 2 M . . . .
    ///     targets              2 2 5 7
    ///     mask       0 0 0 0 0 1 1 1 1
    ///
    /// Tokens are uniform in 1...V − 2. T = 2L + 1.
    public struct Sorting: LengthTask {
        public static let validLengths = 1...100_000
        /// V, with blank and marker.
        public let vocabulary: Int
        /// L, in tokens.
        public let lengths: Lengths

        public let name = "sorting"
        public var inputKind: InputKind { .tokens(vocabulary: vocabulary) }
        public var targetKind: TargetKind { .answers(vocabulary: vocabulary) }
        public var settings: String { "nstm sorting 1, vocabulary \(vocabulary), \(lengths.text)" }

        /// - Parameters:
        ///   - vocabulary: V, 3...1,000,000.
        ///   - lengths: L, in tokens, each 1...100,000.
        /// - Throws: `DatasetError.invalid` with all issues.
        public init(vocabulary: Int = 16, lengths: Lengths = Lengths(1, 20)) throws(DatasetError) {
            var issues = Issues()
            issues.check("the vocabulary", vocabulary, 3...1_000_000)
            issues.list += lengths.issues(in: Self.validLengths)
            try issues.throwIfAny(dataset: "sorting")
            (self.vocabulary, self.lengths) = (vocabulary, lengths)
        }

        public func positions(_ form: Int) -> Int { 2 * form + 1 }
        public func write(_ form: Int, key: RandomKey, to sequence: inout Writer) {
            let tokens = (0..<form).map { 1 + key.integer($0, below: vocabulary - 2) }
            for (i, token) in tokens.enumerated() { sequence.setInput(i, token: token) }
            sequence.setInput(form, token: vocabulary - 1)
            for (i, token) in tokens.sorted().enumerated() { sequence.setTarget(form + 1 + i, token: token) }
        }
    }
}
