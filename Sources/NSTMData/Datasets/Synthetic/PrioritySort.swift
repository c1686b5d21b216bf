import NSTMTensor

extension Synthetic {
    /// Priority sort: output the vectors of highest priority, in descending order (Graves, Wayne and Danihelka, "Neural Turing
    /// Machines", 2014, section 4.5).
    ///
    /// Every vector comes with its priority, uniform in [−1, 1). With 3 vectors of 2 bits, of which 2 are output (20 vectors of 8
    /// bits, of which 16, by default):
    ///
    ///     position        0    1    2    3    4    5
    ///     inputs  bit 0   1    0    1    .    .    .        targets  bit 0   .    .    .    .    0    1
    ///             bit 1   0    0    1    .    .    .                 bit 1   .    .    .    .    0    1
    ///             prior.  -.3  .8   .1   .    .    .        mask             0    0    0    0    1    1
    ///             end     .    .    .    1    .    .
    ///
    /// A vector and its priority stay together: whole rows are sorted. Of equal priorities, the earlier vector comes first. With
    /// N vectors, of which K = round(share · N) are output, T = N + 1 + K; the inputs are [B, T, bits + 2], the targets [B, T,
    /// bits].
    public struct PrioritySort: LengthTask {
        public static let validLengths = 1...100_000
        /// Number of bits of a vector.
        public let bits: Int
        /// Share of the vectors that are output.
        public let share: Double
        /// N, in vectors.
        public let lengths: Lengths

        public let name = "priority-sort"
        public var inputKind: InputKind { .features(width: bits + 2) }
        public var targetKind: TargetKind { .binary(width: bits) }
        public var settings: String { "nstm priority-sort 1, bits \(bits), share \(share), \(lengths.text)" }

        /// - Parameters:
        ///   - bits: number of bits of a vector, 1...1024.
        ///   - share: share of the vectors that are output, above 0, at most 1; 0.8 (16 of 20) in the paper.
        ///   - lengths: N, in vectors, each 1...100,000; 20 in the paper.
        /// - Throws: `DatasetError.invalid` with all issues.
        public init(bits: Int = 8, share: Double = 0.8, lengths: Lengths = Lengths(20, 20)) throws(DatasetError) {
            var issues = Issues()
            issues.check("the number of bits", bits, 1...1024)
            if !(share > 0 && share <= 1) { issues.list.append("the share is \(share), needs a number above 0, at most 1") }
            issues.list += lengths.issues(in: Self.validLengths)
            try issues.throwIfAny(dataset: "priority-sort")
            (self.bits, self.share, self.lengths) = (bits, share, lengths)
        }

        /// K, the number of vectors that are output, for N vectors; at least 1.
        public func outputs(of length: Int) -> Int { max(1, Int((share * Double(length)).rounded())) }
        public func positions(_ form: Int) -> Int { form + 1 + outputs(of: form) }
        public func write(_ form: Int, key: RandomKey, to sequence: inout Writer) {
            let values = key.fold("bits").bits(form * bits), draws = key.fold("priorities")
            let priorities = (0..<form).map { Float(2 * draws.uniform($0) - 1) }
            for i in 0..<form {
                sequence.setInput(i, to: values[i * bits..<(i + 1) * bits])
                sequence.setInput(i, channel: bits, to: priorities[i])
            }
            sequence.setInput(form, channel: bits + 1, to: 1)
            let order = (0..<form).sorted { (priorities[$1], $0) < (priorities[$0], $1) }
            for (rank, i) in order.prefix(outputs(of: form)).enumerated() {
                sequence.setTarget(form + 1 + rank, to: values[i * bits..<(i + 1) * bits])
            }
        }
    }
}
