import NSTMTensor

extension Synthetic {
    /// Dyck words: at every position of a word of balanced brackets, output which brackets may come next (Suzgun et al.,
    /// "Memory-augmented recurrent neural networks can learn generalized Dyck languages", 2019; with bounded depth Hewitt et al.,
    /// "RNNs can generate bounded hierarchical languages with optimal memory", 2020).
    ///
    /// Token i of 0..<k opens a bracket of type i, token k + i closes it. An opening bracket of any type may come next unless
    /// `depth` brackets are open; a closing one only if it closes the bracket that was opened last. With k = 2 (`(`, `[`), a
    /// depth of 2 and L = 4 pairs:
    ///
    ///     position       0 1 2 3 4 5 6 7
    ///     inputs         ( [ ] [ ] ) ( )
    ///     targets  (     1 0 1 0 1 1 1 1
    ///              [     1 0 1 0 1 1 1 1
    ///              )     1 0 1 0 1 0 1 0
    ///              ]     0 1 0 1 0 0 0 0        mask 1 everywhere
    ///
    /// T = 2L; the inputs are tokens of a vocabulary of 2k, the targets [B, T, 2k] bits. A sequence without bit errors is a word
    /// of which the model knows at every position all brackets that are allowed, and no others. Words are drawn bracket by
    /// bracket: where both are possible, opening and closing have the same probability, as do all types.
    public struct Dyck: LengthTask {
        public static let validLengths = 1...500_000
        /// k, the number of bracket types.
        public let types: Int
        /// Largest number of open brackets.
        public let depth: Int
        /// L, in pairs of brackets.
        public let lengths: Lengths

        public let name = "dyck"
        public var inputKind: InputKind { .tokens(vocabulary: 2 * types) }
        public var targetKind: TargetKind { .binary(width: 2 * types) }
        public var settings: String { "nstm dyck 1, types \(types), depth \(depth), \(lengths.text)" }

        /// - Parameters:
        ///   - types: k, 1...1,000.
        ///   - depth: largest number of open brackets, 1...500,000.
        ///   - lengths: L, in pairs of brackets, each 1...500,000.
        /// - Throws: `DatasetError.invalid` with all issues.
        public init(types: Int = 2, depth: Int = 8, lengths: Lengths = Lengths(1, 20)) throws(DatasetError) {
            var issues = Issues()
            issues.check("the number of types", types, 1...1000)
            issues.check("the depth", depth, 1...500_000)
            issues.list += lengths.issues(in: Self.validLengths)
            try issues.throwIfAny(dataset: "dyck")
            (self.types, self.depth, self.lengths) = (types, depth, lengths)
        }

        public func positions(_ form: Int) -> Int { 2 * form }
        public func write(_ form: Int, key: RandomKey, to sequence: inout Writer) {
            let coins = key.fold("directions"), kinds = key.fold("types")
            var open: [Int] = []
            for i in 0..<2 * form {
                let mustClose = open.count == depth || open.count == 2 * form - i
                if !mustClose && (open.isEmpty || coins.integer(i, below: 2) == 1) {
                    open.append(kinds.integer(i, below: types))
                    sequence.setInput(i, token: open.last!)
                } else {
                    sequence.setInput(i, token: types + open.removeLast())
                }
                for type in 0..<types {
                    sequence.setTarget(i, channel: type, to: open.count < depth ? 1 : 0)
                    sequence.setTarget(i, channel: types + type, to: open.last == type ? 1 : 0)
                }
            }
        }
    }
}
