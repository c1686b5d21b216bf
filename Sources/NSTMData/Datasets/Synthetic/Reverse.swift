import NSTMTensor

extension Synthetic {
    /// The reverse task: output a sequence of random bit vectors in the opposite order, as in the algorithmic tasks of Zaremba
    /// and Sutskever, "Reinforcement learning neural Turing machines" (2015), with the vectors of the copy task.
    ///
    /// With 2 bits and L = 3 (`.` is 0, and masked in the targets):
    ///
    ///     position        0 1 2 3 4 5 6
    ///     inputs  bit 0   1 0 1 . . . .        targets  bit 0   . . . . 1 0 1
    ///             bit 1   0 0 1 . . . .                 bit 1   . . . . 1 0 0
    ///             end     . . . 1 . . .        mask             0 0 0 0 1 1 1
    ///
    /// T = 2L + 1, the inputs are [B, T, bits + 1], the targets [B, T, bits].
    public struct Reverse: LengthTask {
        public static let validLengths = 1...100_000
        /// Number of bits of a vector.
        public let bits: Int
        /// L, in vectors.
        public let lengths: Lengths

        public let name = "reverse"
        public var inputKind: InputKind { .features(width: bits + 1) }
        public var targetKind: TargetKind { .binary(width: bits) }
        public var featureScale: InputNoise.FeatureScale? { InputNoise.FeatureScale() }
        public var settings: String { "nstm reverse 1, bits \(bits), \(lengths.text)" }

        /// - Parameters:
        ///   - bits: number of bits of a vector, 1...1024.
        ///   - lengths: L, in vectors, each 1...100,000.
        /// - Throws: `DatasetError.invalid` with all issues.
        public init(bits: Int = 8, lengths: Lengths = Lengths(1, 20)) throws(DatasetError) {
            var issues = Issues()
            issues.check("the number of bits", bits, 1...1024)
            issues.list += lengths.issues(in: Self.validLengths)
            try issues.throwIfAny(dataset: "reverse")
            (self.bits, self.lengths) = (bits, lengths)
        }

        public func positions(_ form: Int) -> Int { 2 * form + 1 }
        public func write(_ form: Int, key: RandomKey, to sequence: inout Writer) {
            let values = key.bits(form * bits)
            for i in 0..<form {
                let vector = values[i * bits..<(i + 1) * bits]
                sequence.setInput(i, to: vector)
                sequence.setTarget(2 * form - i, to: vector)
            }
            sequence.setInput(form, channel: bits, to: 1)
        }
    }
}
