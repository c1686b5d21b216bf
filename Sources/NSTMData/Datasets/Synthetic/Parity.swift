import NSTMTensor

extension Synthetic {
    /// Parity: at every position, output whether the number of ones so far is odd (Minsky and Papert, "Perceptrons", 1969; as a
    /// test of length generalization Delétang et al., "Neural networks and the Chomsky hierarchy", 2023).
    ///
    /// Bits are fair. With T = 7:
    ///
    ///     position   0 1 2 3 4 5 6
    ///     inputs     1 0 1 1 0 1 0
    ///     targets    1 1 0 1 1 0 0        mask 1 everywhere
    ///
    /// The inputs are tokens 0 and 1, and so are the targets.
    public struct Parity: LengthTask {
        public static let validLengths = 1...1_000_000
        /// T, in bits.
        public let lengths: Lengths

        public let name = "parity"
        public let inputKind = InputKind.tokens(vocabulary: 2)
        public let targetKind = TargetKind.answers(vocabulary: 2)
        public var settings: String { "nstm parity 1, \(lengths.text)" }

        /// - Parameter lengths: T, each 1...1,000,000.
        /// - Throws: `DatasetError.invalid` with all issues.
        public init(lengths: Lengths = Lengths(1, 40)) throws(DatasetError) {
            var issues = Issues()
            issues.list += lengths.issues(in: Self.validLengths)
            try issues.throwIfAny(dataset: "parity")
            self.lengths = lengths
        }

        public func positions(_ form: Int) -> Int { form }
        public func write(_ form: Int, key: RandomKey, to sequence: inout Writer) {
            var parity = 0
            for (i, bit) in key.bits(form).enumerated() {
                parity ^= Int(bit)
                sequence.setInput(i, token: Int(bit))
                sequence.setTarget(i, token: parity)
            }
        }
    }
}
