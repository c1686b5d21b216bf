/// A tokenizer with a token per distinct Unicode scalar of a text, numbered in the order of code points, or a token per UTF-8
/// byte.
///
/// It uses scalars rather than `Character`s because the number of possible grapheme clusters is unbounded. Bytes cover every
/// text.
public struct CharacterTokenizer: Sendable, Equatable {
    /// The unit of text that a token represents: a Unicode scalar or a byte.
    public enum Unit: String, Sendable, CaseIterable { case character, byte }

    /// The tokenizer of bytes: 256 tokens, each the value of its byte.
    public static let bytes = CharacterTokenizer(
        sorted: (0..<256).map { Unicode.Scalar(UInt8($0)) }, unit: .byte)
    /// Unit of text that a token represents.
    public let unit: Unit
    /// The scalars (or bytes) in ascending order; the index of a scalar is its token.
    public let characters: [Unicode.Scalar]
    private let ascii: [Int32]
    private let others: [Unicode.Scalar: Int32]

    /// The tokenizer of all characters that occur in a text.
    public init(text: String) {
        var seen = [Bool](repeating: false, count: 128)
        var others: Set<Unicode.Scalar> = []
        for c in text.unicodeScalars {
            if c.value < 128 { seen[Int(c.value)] = true } else { others.insert(c) }
        }
        let low = seen.indices.filter { seen[$0] }.map { Unicode.Scalar(UInt8($0)) }
        self.init(sorted: low + others.sorted())
    }
    private init(sorted characters: [Unicode.Scalar], unit: Unit = .character) {
        self.characters = characters
        self.unit = unit
        var ascii = [Int32](repeating: -1, count: 128)
        var others: [Unicode.Scalar: Int32] = [:]
        for (token, c) in characters.enumerated() {
            if c.value < 128 { ascii[Int(c.value)] = Int32(token) } else { others[c] = Int32(token) }
        }
        self.ascii = ascii
        self.others = others
    }
    public static func == (a: CharacterTokenizer, b: CharacterTokenizer) -> Bool {
        a.unit == b.unit && a.characters == b.characters
    }

    /// Number of tokens.
    public var vocabulary: Int { characters.count }

    /// The token of a character; nil when it is not in the vocabulary.
    public func token(_ c: Unicode.Scalar) -> Int32? {
        if c.value >= 128 { return others[c] }
        let token = ascii[Int(c.value)]
        return token < 0 ? nil : token
    }

    /// The default prompt for generation, one token: a line break or a space if in the vocabulary, otherwise the first character.
    public var defaultPrompt: String {
        let preferred: [Unicode.Scalar] = ["\n", " "]
        return (preferred.first { token($0) != nil } ?? characters.first).map { String($0) } ?? ""
    }
    /// The tokens of a text, one per scalar or byte.
    /// - Throws: `CharacterTokenizer.Error.unknownCharacters` with every character that is not in the vocabulary.
    public func encode(_ text: String) throws(CharacterTokenizer.Error) -> [Int32] {
        if unit == .byte { return text.utf8.map { Int32($0) } }
        var tokens: [Int32] = []
        tokens.reserveCapacity(text.unicodeScalars.count)
        var unknown: Set<Unicode.Scalar> = []
        for c in text.unicodeScalars {
            if let token = token(c) { tokens.append(token) } else { unknown.insert(c) }
        }
        guard unknown.isEmpty else { throw .unknownCharacters(unknown.sorted()) }
        return tokens
    }

    /// The text of tokens.
    ///
    /// Bytes that are not valid UTF-8 become replacement characters.
    /// - Throws: `CharacterTokenizer.Error.unknownTokens` with every token outside the vocabulary.
    public func decode(_ tokens: some Sequence<Int32>) throws(CharacterTokenizer.Error) -> String {
        String(decoding: try utf8(tokens), as: UTF8.self)
    }
    /// The UTF-8 bytes of tokens, which may end within a character if the unit is the byte.
    /// - Throws: `CharacterTokenizer.Error.unknownTokens` with every token outside the vocabulary.
    public func utf8(_ tokens: some Sequence<Int32>) throws(CharacterTokenizer.Error) -> [UInt8] {
        var text: [UInt8] = []
        var unknown: Set<Int32> = []
        for token in tokens {
            guard token >= 0, Int(token) < characters.count else {
                unknown.insert(token)
                continue
            }
            if unit == .byte { text.append(UInt8(token)) } else { text += UTF8.encode(characters[Int(token)])! }
        }
        guard unknown.isEmpty else { throw .unknownTokens(unknown.sorted(), vocabulary: vocabulary) }
        return text
    }
}

extension CharacterTokenizer: Codable {
    private enum CodingKeys: String, CodingKey { case characters, unit }

    /// Stored as one string of all characters, and the unit if it is the byte.
    public func encode(to encoder: any Encoder) throws {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: characters)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(String(text), forKey: .characters)
        if unit != .character { try container.encode(unit.rawValue, forKey: .unit) }
    }
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if let name = try container.decodeIfPresent(String.self, forKey: .unit) {
            guard name == Unit.byte.rawValue else {
                throw DecodingError.dataCorruptedError(forKey: .unit, in: container, debugDescription: "unknown unit '\(name)'")
            }
            self = .bytes
            return
        }
        let characters = Array(try container.decode(String.self, forKey: .characters).unicodeScalars)
        guard zip(characters, characters.dropFirst()).allSatisfy({ $0 < $1 }) else {
            // In another order the tokens would silently stand for other characters than in training.
            throw DecodingError.dataCorruptedError(
                forKey: .characters, in: container, debugDescription: "the characters are not in ascending order")
        }
        self.init(sorted: characters)
    }
}

extension CharacterTokenizer {
    /// An error of encoding or decoding with a tokenizer.
    public enum Error: Swift.Error, Sendable, Equatable, CustomStringConvertible {
        /// Distinct characters of a text that are not in the vocabulary, in ascending order.
        case unknownCharacters([Unicode.Scalar])
        /// Distinct tokens outside 0..<vocabulary, in ascending order.
        case unknownTokens([Int32], vocabulary: Int)

        public var description: String {
            switch self {
            case .unknownCharacters(let characters):
                let names = characters.map { c in
                    let code = String(c.value, radix: 16, uppercase: true)
                    let padded = String(repeating: "0", count: max(0, 4 - code.count)) + code
                    return "\"\(c.escaped(asASCII: false))\" (U+\(padded))"
                }
                return "\(characters.count) character\(characters.count == 1 ? "" : "s") not in the vocabulary: "
                    + names.joined(separator: ", ")
            case .unknownTokens(let tokens, let vocabulary):
                return "tokens outside 0..<\(vocabulary): " + tokens.map(String.init).joined(separator: ", ")
            }
        }
    }
}
