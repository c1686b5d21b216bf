import NSTMTensor

extension Synthetic {
    /// Induction heads: at the second occurrence of a special token, output the token that followed the first (Olsson et al.,
    /// "In-context learning and induction heads", 2022; in this form Gu and Dao, "Mamba", 2023, section 4.1.2).
    ///
    /// All other tokens are random. With the special token written as S (the last of the vocabulary) and T = 9:
    ///
    ///     position   0 1 2 3 4 5 6 7 8
    ///     inputs     4 1 7 S 3 6 1 0 S
    ///     targets                    3        mask 1 there, 0 elsewhere
    ///
    /// The first S is at any position that leaves one for the token after it, all with the same probability.
    public struct Induction: LengthTask {
        public static let validLengths = 3...2_000_000
        /// V, with the special token.
        public let vocabulary: Int
        /// T, in positions.
        public let lengths: Lengths

        public let name = "induction"
        public var inputKind: InputKind { .tokens(vocabulary: vocabulary) }
        public var targetKind: TargetKind { .answers(vocabulary: vocabulary) }
        public var settings: String { "nstm induction 1, vocabulary \(vocabulary), \(lengths.text)" }

        /// - Parameters:
        ///   - vocabulary: V, 3...1,000,000; 16 in the paper of Mamba.
        ///   - lengths: T, each 3...2,000,000; in the paper of Mamba 256, and evaluations of 64 to 1,048,576.
        /// - Throws: `DatasetError.invalid` with all issues.
        public init(vocabulary: Int = 16, lengths: Lengths = Lengths(256, 256)) throws(DatasetError) {
            var issues = Issues()
            issues.check("the vocabulary", vocabulary, 3...1_000_000)
            issues.list += lengths.issues(in: Self.validLengths)
            try issues.throwIfAny(dataset: "induction")
            (self.vocabulary, self.lengths) = (vocabulary, lengths)
        }

        public func positions(_ form: Int) -> Int { form }
        public func write(_ form: Int, key: RandomKey, to sequence: inout Writer) {
            let special = vocabulary - 1, first = key.fold("position").integer(0, below: form - 2), draws = key.fold("tokens")
            for i in 0..<form - 1 {
                let token = i == first ? special : draws.integer(i, below: special)
                sequence.setInput(i, token: token)
                if i == first + 1 { sequence.setTarget(form - 1, token: token) }
            }
            sequence.setInput(form - 1, token: special)
        }
    }
}
