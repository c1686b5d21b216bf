import Foundation
import NSTMTensor

/// A plain text, one token a character (or byte), to be continued: the target at every position is the character that follows.
///
/// The first part of the text is for training, the rest for validation, in Unicode scalars, as usual for Tiny Shakespeare
/// (1,003,854 and 111,540 characters at 0.9). A training batch has windows at uniformly random offsets. Evaluation goes
/// through the validation part once, in consecutive windows that do not overlap: full windows first, then a shorter one with
/// what is left, so that each of its characters but the first is predicted exactly once.
public struct TextDataset: Dataset {
    public let name: String
    public let tokenizer: CharacterTokenizer
    public let contextLength: Int
    /// The share of the text that is for training.
    public let trainingFraction: Double
    public let fingerprint: String

    private let tokens: [Int32]
    /// Characters for training.
    public let trainingCount: Int
    /// Characters for validation.
    public var validationCount: Int { tokens.count - trainingCount }

    public var inputKind: InputKind { .tokens(vocabulary: tokenizer.vocabulary) }
    public var targetKind: TargetKind { .nextToken(vocabulary: tokenizer.vocabulary) }

    /// - Parameters:
    ///   - context: T, the window's length in characters, at least 1.
    ///   - trainingFraction: above 0 and below 1; each part must be long enough for a window and the character after it.
    ///   - unit: what a token is, when there is no tokenizer yet. "Character" below means this unit.
    ///   - tokenizer: that of a model in use; nil makes one from the whole text. (Not from the training part alone: a rare
    ///     character that only occurs in the rest could then not even be evaluated.)
    /// - Throws: `DatasetError.invalid` with all issues; `DatasetError.tokenizer` for characters a given tokenizer lacks;
    ///   `DatasetError.noMemory` when there is none for the tokens.
    public init(
        name: String, text: String, context: Int, trainingFraction: Double = 0.9, unit: CharacterTokenizer.Unit = .character,
        tokenizer: CharacterTokenizer? = nil
    ) throws(DatasetError) {
        let tokenizer = tokenizer ?? (unit == .byte ? .bytes : CharacterTokenizer(text: text))
        let count = tokenizer.unit == .byte ? text.utf8.count : text.unicodeScalars.count
        let fractionIsValid = trainingFraction > 0 && trainingFraction < 1
        let training = fractionIsValid ? Int(Double(count) * trainingFraction) : 0
        var issues: [String] = []
        if !fractionIsValid { issues.append("the training fraction is \(trainingFraction); it must lie between 0 and 1") }
        if context < 1 { issues.append("the context is \(context); it must be at least 1") }
        if fractionIsValid && context >= 1 {
            for (part, length) in [("training", training), ("validation", count - training)] where length <= context {
                issues.append(
                    "the \(part) part has \(length) of the text's \(count) characters; a context of \(context) needs at least "
                        + "\(context + 1)")
            }
        }
        guard issues.isEmpty else { throw .invalid(dataset: name, issues: issues) }

        let bytes = [count, MemoryLayout<Int32>.size].saturatedProduct
        do { try AvailableMemory.check(bytes, for: "the \(count) tokens of '\(name)'") } catch { throw .noMemory(error) }
        do { tokens = try tokenizer.encode(text) } catch { throw .tokenizer(error) }
        self.name = name
        self.tokenizer = tokenizer
        self.trainingFraction = trainingFraction
        contextLength = context
        trainingCount = training

        var digest = DigestCounter()
        var vocabulary = String.UnicodeScalarView()
        vocabulary.append(contentsOf: tokenizer.characters)
        digest.update("nstm text 1, \(training) of \(count), vocabulary \(tokenizer.vocabulary)\n")
        digest.update(String(vocabulary) + "\n")
        digest.update(text)
        fingerprint = digest.finish().sha256
    }

    /// The text of a UTF-8 file, without a byte order mark.
    /// - Throws: also `DatasetError.unreadable` and `DatasetError.invalidUTF8`; `DatasetError.noMemory` before anything is read.
    public init(
        contentsOf file: URL, name: String? = nil, context: Int, trainingFraction: Double = 0.9,
        unit: CharacterTokenizer.Unit = .character, tokenizer: CharacterTokenizer? = nil
    ) throws(DatasetError) {
        let bytes: Data
        // The text, and 4 bytes for each token. A character has up to 4 bytes itself: of those how many there are is known later.
        let need = (tokenizer?.unit ?? unit) == .byte ? 1 + MemoryLayout<Int32>.size : 2
        do { bytes = try InputFile.read(file, atMost: InputFile.largestData, needing: need) } catch {
            if let memory = error.memory { throw .noMemory(memory) }
            throw .unreadable(path: file.path, reason: error.reason)
        }
        guard var text = String(validating: bytes, as: UTF8.self) else {
            throw .invalidUTF8(path: file.path, byteOffset: TextDataset.firstInvalidByte(bytes))
        }
        // The mark says how the file is written and is no part of the text.
        if text.unicodeScalars.first == "\u{FEFF}" { text.unicodeScalars.removeFirst() }
        try self.init(
            name: name ?? file.lastPathComponent, text: text, context: context, trainingFraction: trainingFraction, unit: unit,
            tokenizer: tokenizer)
    }

    private static func firstInvalidByte(_ bytes: Data) -> Int {
        var parser = Unicode.UTF8.ForwardParser()
        var iterator = bytes.makeIterator()
        var offset = 0
        while case .valid(let scalar) = parser.parseScalar(from: &iterator) { offset += scalar.count }
        return offset
    }

    // MARK: Batches

    public func trainingBatch(step: Int, size: Int, key: RandomKey) -> Batch {
        let key = key.fold("text").fold(step)
        return windows(count: size, length: contextLength) { key.integer($0, below: trainingCount - contextLength) }
    }

    public func evaluationBatches(size: Int, limit: Int?) -> BatchSequence {
        guard size >= 1 else { fatalError("evaluationBatches: a batch of \(size) sequences") }
        let predicted = validationCount - 1
        let full = predicted / contextLength, rest = predicted % contextLength
        let fullBatches = (full + size - 1) / size
        return BatchSequence(total: fullBatches + (rest > 0 ? 1 : 0), limit: limit) { i in
            let first = min(i * size, full)
            let isRest = i == fullBatches
            return windows(count: isRest ? 1 : min(size, full - first), length: isRest ? rest : contextLength) { row in
                trainingCount + (first + row) * contextLength
            }
        }
    }

    private func windows(count: Int, length: Int, _ offset: (Int) -> Int) -> Batch {
        guard count >= 1 else { fatalError("\(name): a batch of \(count) sequences") }
        let offsets = (0..<count).map(offset)
        func gather(_ shift: Int) -> Tensor {
            Tensor([count, length], initializing: Int32.self) { p in
                tokens.withUnsafeBufferPointer { tokens in
                    for (row, offset) in offsets.enumerated() {
                        let window = UnsafeBufferPointer(rebasing: tokens[offset + shift..<offset + shift + length])
                        let place = UnsafeMutableBufferPointer(rebasing: p[row * length..<(row + 1) * length])
                        _ = place.update(fromContentsOf: window)
                    }
                }
            }
        }
        return Batch(inputs: gather(0), targets: gather(1), tokenCount: count * length)
    }
}
