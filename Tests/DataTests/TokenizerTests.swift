import Foundation
import NSTMData
import Testing

extension DataTests {
    @Suite struct Tokenizers {
        @Test(arguments: ["hello", "", "naïve €uro 🦉\r\n\0", "e\u{301} \u{1F468}\u{200D}\u{1F469}"])
        func roundTrip(text: String) throws {
            let tokenizer = CharacterTokenizer(text: text)
            let tokens = try tokenizer.encode(text)
            #expect(tokens.count == text.unicodeScalars.count)
            #expect(try Array(tokenizer.decode(tokens).unicodeScalars) == Array(text.unicodeScalars))
            #expect(tokenizer.characters == tokenizer.characters.sorted())
            let stored = try JSONEncoder().encode(tokenizer)
            #expect(try JSONDecoder().decode(CharacterTokenizer.self, from: stored) == tokenizer)
        }

        /// Every text has bytes, and a piece of a character comes back as it went in.
        @Test(arguments: ["hello", "", "naïve €uro 🦉\r\n\0"])
        func bytes(text: String) throws {
            let tokenizer = CharacterTokenizer.bytes, tokens = try tokenizer.encode(text)
            #expect(tokens == text.utf8.map { Int32($0) } && tokenizer.vocabulary == 256)
            #expect(try tokenizer.decode(tokens) == text)
            #expect(try tokens.flatMap { try tokenizer.utf8([$0]) } == Array(text.utf8))
            #expect(throws: CharacterTokenizer.Error.unknownTokens([256], vocabulary: 256)) { try tokenizer.utf8([256]) }
            let stored = try JSONEncoder().encode(tokenizer)
            #expect(try JSONDecoder().decode(CharacterTokenizer.self, from: stored) == tokenizer)
            #expect(tokenizer != CharacterTokenizer(text: String(String.UnicodeScalarView(tokenizer.characters))))
        }
        @Test func textsInBytes() throws {
            let data = try TextDataset(name: "text", text: "añb€" + String(repeating: "x", count: 23), context: 2, unit: .byte)
            #expect(data.inputKind == .tokens(vocabulary: 256) && data.trainingCount == 27 && data.validationCount == 3)
        }

        @Test func tokensFollowTheOrderOfCodePoints() throws {
            let tokenizer = CharacterTokenizer(text: "cabé\na")
            #expect(tokenizer.vocabulary == 5)
            #expect(try tokenizer.encode("\nabcé") == [0, 1, 2, 3, 4])
        }

        @Test func namesAllUnknownCharacters() {
            let error = #expect(throws: CharacterTokenizer.Error.self) {
                try CharacterTokenizer(text: "abc").encode("za€\nz\u{7}")
            }
            #expect(error == .unknownCharacters(["\u{7}", "\n", "z", "€"]))
            #expect(
                error?.description
                    == #"4 characters not in the vocabulary: "\u{07}" (U+0007), "\n" (U+000A), "z" (U+007A), "€" (U+20AC)"#)
        }

        @Test func namesAllUnknownTokens() {
            #expect(throws: CharacterTokenizer.Error.unknownTokens([-1, 3], vocabulary: 3)) {
                try CharacterTokenizer(text: "abc").decode([3, 0, -1, 3])
            }
        }

        @Test(arguments: ["ba", "aa"]) func refusesCharactersOutOfOrder(characters: String) {
            let stored = Data(#"{"characters":"\#(characters)"}"#.utf8)
            #expect(throws: DecodingError.self) { try JSONDecoder().decode(CharacterTokenizer.self, from: stored) }
        }
    }
}
