import NSTMTensor

extension Synthetic {
    /// Associative recall: after several items, output the one that followed a given item (Graves, Wayne and Danihelka, "Neural
    /// Turing Machines", 2014, section 4.3).
    ///
    /// An item is a few random bit vectors after a delimiter. The query, between two delimiters of another channel, is any item
    /// but the last. With 2 items (in the paper up to 6) of 2 vectors (3 in the paper) of 1 bit (6 in the paper):
    ///
    ///     position        0 1 2 3 4 5 6 7 8 9 a b
    ///     inputs  bit 0   . 1 0 . 1 1 . 1 0 . . .        targets  bit 0   . . . . . . . . . . 1 1
    ///             item    1 . . 1 . . . . . . . .        mask             0 0 0 0 0 0 0 0 0 0 1 1
    ///             query   . . . . . . 1 . . 1 . .
    ///
    /// With n items of w vectors, T = (n + 1)(w + 1) + 1 + w; the inputs are [B, T, bits + 2], the targets [B, T, bits]. The
    /// items of a sequence are distinct, so that the answer is unique.
    public struct AssociativeRecall: LengthTask {
        public static let validLengths = 2...10_000
        /// Number of bits of a vector.
        public let bits: Int
        /// w, the number of vectors of an item.
        public let vectors: Int
        /// n, in items.
        public let lengths: Lengths

        public let name = "associative-recall"
        public var inputKind: InputKind { .features(width: bits + 2) }
        public var targetKind: TargetKind { .binary(width: bits) }
        public var featureScale: InputNoise.FeatureScale? { InputNoise.FeatureScale() }
        public var settings: String { "nstm associative-recall 1, bits \(bits), vectors \(vectors), \(lengths.text)" }

        /// - Parameters:
        ///   - bits: number of bits of a vector, 1...1024; 6 in the paper.
        ///   - vectors: w, 1...100; 3 in the paper.
        ///   - lengths: n, in items, each 2...10,000 and at most the number of different items; 2...6 in the paper.
        /// - Throws: `DatasetError.invalid` with all issues.
        public init(bits: Int = 6, vectors: Int = 3, lengths: Lengths = Lengths(2, 6)) throws(DatasetError) {
            var issues = Issues()
            issues.check("the number of bits", bits, 1...1024)
            issues.check("the number of vectors", vectors, 1...100)
            issues.list += lengths.issues(in: Self.validLengths)
            let largest = max(lengths.maximum, lengths.evaluationLengths.max() ?? 0)
            if issues.list.isEmpty, largest > Self.itemCount(bits, vectors) {
                issues.list.append(
                    "\(largest) distinct items, there are only \(Self.itemCount(bits, vectors)) of \(vectors) × \(bits) bits")
            }
            try issues.throwIfAny(dataset: "associative-recall")
            (self.bits, self.vectors, self.lengths) = (bits, vectors, lengths)
        }
        /// Number of different items, at most 2^30.
        private static func itemCount(_ bits: Int, _ vectors: Int) -> Int { 1 << min(bits * vectors, 30) }

        public func issue(_ form: Int) -> String? {
            let most = min(Self.validLengths.upperBound, Self.itemCount(bits, vectors))
            return 2...most ~= form ? nil : "\(form) items, needs 2...\(most)"
        }
        public func positions(_ form: Int) -> Int { (form + 1) * (vectors + 1) + 1 + vectors }
        public func write(_ form: Int, key: RandomKey, to sequence: inout Writer) {
            let items = distinctItems(form, key.fold("items")), query = key.fold("query").integer(0, below: form - 1)
            func set(_ item: [Float], at position: Int) {
                for i in 0..<vectors { sequence.setInput(position + i, to: item[i * bits..<(i + 1) * bits]) }
            }
            let width = vectors + 1, end = (form + 1) * width
            for (i, item) in items.enumerated() {
                sequence.setInput(i * width, channel: bits, to: 1)
                set(item, at: i * width + 1)
            }
            sequence.setInput(form * width, channel: bits + 1, to: 1)
            set(items[query], at: form * width + 1)
            sequence.setInput(end, channel: bits + 1, to: 1)
            for i in 0..<vectors { sequence.setTarget(end + 1 + i, to: items[query + 1][i * bits..<(i + 1) * bits]) }
        }
        /// Uniform items without replacement: one that has occurred is drawn again.
        private func distinctItems(_ count: Int, _ key: RandomKey) -> [[Float]] {
            var items: [[Float]] = [], known: Set<[Float]> = [], draw = 0
            while items.count < count {
                let item = key.fold(draw).bits(bits * vectors)
                if known.insert(item).inserted { items.append(item) }
                draw += 1
            }
            return items
        }
    }
}
