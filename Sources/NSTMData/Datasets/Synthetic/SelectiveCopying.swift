import NSTMTensor

extension Synthetic {
    /// Selective copying: remember the tokens among noise and output them in order (Gu and Dao, "Mamba: Linear-time sequence
    /// modeling with selective state spaces", 2023, section 4.1.1; with tokens at the start, Arjovsky, Shah and Bengio, "Unitary
    /// evolution recurrent neural networks", 2016).
    ///
    /// M random tokens are at random positions among L, with noise (token 0) between them; then come M markers (M, the last
    /// token), whose targets are the tokens. With M = 3 and L = 8:
    ///
    ///     position   0 1 2 3 4 5 6 7 8 9 a
    ///     inputs     . 5 . . 2 5 . . M M M
    ///     targets                    5 2 5
    ///     mask       0 0 0 0 0 0 0 0 1 1 1
    ///
    /// Tokens are uniform in 1...V − 2. T = L + M.
    public struct SelectiveCopying: LengthTask {
        public static let validLengths = 1...1_000_000
        /// V, with noise and marker.
        public let vocabulary: Int
        /// M, the number of tokens to remember.
        public let tokens: Int
        /// L, in positions before the markers.
        public let lengths: Lengths

        public let name = "selective-copying"
        public var inputKind: InputKind { .tokens(vocabulary: vocabulary) }
        public var targetKind: TargetKind { .answers(vocabulary: vocabulary) }
        public var settings: String { "nstm selective-copying 1, vocabulary \(vocabulary), tokens \(tokens), \(lengths.text)" }

        /// - Parameters:
        ///   - vocabulary: V, 3...1,000,000; 16 in the paper of Mamba.
        ///   - tokens: M, 1...100,000; 16 in the paper of Mamba.
        ///   - lengths: L, each at least M, at most 1,000,000; 4096 in the paper of Mamba.
        /// - Throws: `DatasetError.invalid` with all issues.
        public init(vocabulary: Int = 16, tokens: Int = 16, lengths: Lengths = Lengths(256, 256)) throws(DatasetError) {
            var issues = Issues()
            issues.check("the vocabulary", vocabulary, 3...1_000_000)
            issues.check("the number of tokens", tokens, 1...100_000)
            issues.list += lengths.issues(in: Self.validLengths)
            let smallest = min(lengths.minimum, lengths.evaluationLengths.min() ?? .max)
            if issues.list.isEmpty, smallest < tokens {
                issues.list.append("the length \(smallest) is below the number of tokens \(tokens)")
            }
            try issues.throwIfAny(dataset: "selective-copying")
            (self.vocabulary, self.tokens, self.lengths) = (vocabulary, tokens, lengths)
        }

        public func issue(_ form: Int) -> String? {
            tokens...Self.validLengths.upperBound ~= form ? nil : "length \(form), needs at least the \(tokens) tokens"
        }
        public func positions(_ form: Int) -> Int { form + tokens }
        public func write(_ form: Int, key: RandomKey, to sequence: inout Writer) {
            let draws = key.fold("tokens")
            for (i, position) in key.fold("positions").distinctIntegers(tokens, below: form).enumerated() {
                let token = 1 + draws.integer(i, below: vocabulary - 2)
                sequence.setInput(position, token: token)
                sequence.setInput(form + i, token: vocabulary - 1)
                sequence.setTarget(form + i, token: token)
            }
        }
    }
}
