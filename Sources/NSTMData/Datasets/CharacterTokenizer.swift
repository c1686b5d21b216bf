/// One token for each distinct Unicode scalar of a text, numbered in the order of the scalars' code points.
///
/// Scalars and not `Character`s: a grapheme cluster can be any of infinitely many combinations, a scalar cannot. Or one token for
/// each byte of the text in UTF-8: no text is unknown then.
public struct CharacterTokenizer: Sendable, Equatable {
    /// What a token stands for.
    public enum Unit: String, Sendable, CaseIterable { case character, byte }

    /// The 256 bytes, each its own token.
    public static let bytes = CharacterTokenizer(
        sorted: (0..<256).map { Unicode.Scalar(UInt8($0)) }, unit: .byte)
    public let unit: Unit
    /// The scalars (or bytes) in ascending order; a scalar's place is its token.
    public let characters: [Unicode.Scalar]
    private let ascii: [Int32]
    private let others: [Unicode.Scalar: Int32]

    /// The tokenizer of a text's own characters.
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

    /// The number of distinct characters.
    public var vocabulary: Int { characters.count }

    /// The token of a character, or nil when the tokenizer does not know it.
    public func token(_ c: Unicode.Scalar) -> Int32? {
        if c.value >= 128 { return others[c] }
        let token = ascii[Int(c.value)]
        return token < 0 ? nil : token
    }

    /// A text of one token to begin with: a line break or a space where they are tokens, else the first character.
    public var beginning: String {
        let usual: [Unicode.Scalar] = ["\n", " "]
        return (usual.first { token($0) != nil } ?? characters.first).map { String($0) } ?? ""
    }
    /// One token for each scalar, or byte, of a text.
    /// - Throws: `TokenizerError.unknownCharacters` with every character the tokenizer does not know.
    public func encode(_ text: String) throws(TokenizerError) -> [Int32] {
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

    /// The text of tokens; bytes that are no UTF-8 become replacement characters.
    /// - Throws: `TokenizerError.unknownTokens` with every token outside the vocabulary.
    public func decode(_ tokens: some Sequence<Int32>) throws(TokenizerError) -> String {
        String(decoding: try utf8(tokens), as: UTF8.self)
    }
    /// The text of tokens in UTF-8, of which single bytes may be a part of a character only.
    /// - Throws: as `decode`.
    public func utf8(_ tokens: some Sequence<Int32>) throws(TokenizerError) -> [UInt8] {
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

    /// Stored as one string of all characters, with the unit when it is not the character.
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
            // In another order the tokens would silently mean other characters than in training.
            throw DecodingError.dataCorruptedError(
                forKey: .characters, in: container, debugDescription: "the characters are not in ascending order")
        }
        self.init(sorted: characters)
    }
}

/// Text or tokens a tokenizer cannot translate.
public enum TokenizerError: Error, Sendable, Equatable, CustomStringConvertible {
    /// In ascending order, each once.
    case unknownCharacters([Unicode.Scalar])
    /// In ascending order, each once.
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
