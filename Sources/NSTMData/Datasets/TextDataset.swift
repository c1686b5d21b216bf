import Foundation
import NSTMTensor

/// Next-token prediction on a plain text, with one token per character (or byte).
///
/// The first part of the text is for training, the rest for validation, split by Unicode scalars as usual for Tiny Shakespeare
/// (1,003,854 and 111,540 characters at 0.9). A training batch has windows at uniformly random offsets. Evaluation uses
/// consecutive windows of the validation part without overlap, the last one shorter, so that every character of it except the
/// first is predicted exactly once.
public struct TextDataset: Dataset {
    public let name: String
    /// The tokenizer of the text.
    public let tokenizer: CharacterTokenizer
    /// T, the length of a window in characters.
    public let contextLength: Int
    /// Fraction of the text that is for training.
    public let trainingFraction: Double
    /// SHA-256 of the content and its split, in hexadecimal.
    public let fingerprint: String

    private let tokens: [Int32]
    /// Number of characters for training.
    public let trainingCount: Int
    /// Number of characters for validation.
    public var validationCount: Int { tokens.count - trainingCount }

    public var inputKind: InputKind { .tokens(vocabulary: tokenizer.vocabulary) }
    public var targetKind: TargetKind { .nextToken(vocabulary: tokenizer.vocabulary) }

    /// - Parameters:
    ///   - context: T, the length of a window in characters, at least 1.
    ///   - trainingFraction: above 0 and below 1; each part must have at least T + 1 characters.
    ///   - unit: unit of text of a token if `tokenizer` is nil; "character" means this unit.
    ///   - tokenizer: the tokenizer of a trained model; nil creates one from the whole text. The training part alone could lack a
    ///     rare character of the validation part.
    /// - Throws: `DatasetError.invalid` with all issues; `DatasetError.tokenizer` for characters that are not in the vocabulary
    ///   of `tokenizer`; `DatasetError.noMemory` when the tokens do not fit into memory.
    public init(
        name: String, text: String, context: Int, trainingFraction: Double = 0.9, unit: CharacterTokenizer.Unit = .character,
        tokenizer: CharacterTokenizer? = nil
    ) throws(DatasetError) {
        let tokenizer = tokenizer ?? (unit == .byte ? .bytes : CharacterTokenizer(text: text))
        let count = tokenizer.unit == .byte ? text.utf8.count : text.unicodeScalars.count
        let fractionIsValid = trainingFraction > 0 && trainingFraction < 1
        let training = fractionIsValid ? Int(Double(count) * trainingFraction) : 0
        var issues: [String] = []
        if !fractionIsValid { issues.append("the training fraction is \(trainingFraction); it must be above 0 and below 1") }
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

    /// The dataset of a UTF-8 text file.
    ///
    /// A byte order mark is not part of the text.
    /// - Throws: the errors of the other initializer; `DatasetError.unreadable` and `DatasetError.invalidUTF8`. An estimate of
    ///   the memory is checked before the file is read (`DatasetError.noMemory`).
    public init(
        contentsOf file: URL, name: String? = nil, context: Int, trainingFraction: Double = 0.9,
        unit: CharacterTokenizer.Unit = .character, tokenizer: CharacterTokenizer? = nil
    ) throws(DatasetError) {
        let bytes: Data
        // The text, and 4 bytes per token. The number of characters is known only after reading; a character has up to 4 bytes.
        let need = (tokenizer?.unit ?? unit) == .byte ? 1 + MemoryLayout<Int32>.size : 2
        do { bytes = try InputFile.read(file, atMost: InputFile.largestData, needing: need) } catch {
            if let memory = error.memory { throw .noMemory(memory) }
            throw .unreadable(path: file.path, reason: error.reason)
        }
        guard var text = String(validating: bytes, as: UTF8.self) else {
            throw .invalidUTF8(path: file.path, byteOffset: TextDataset.firstInvalidByte(bytes))
        }
        // The byte order mark describes the encoding and is not part of the text.
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
        guard size >= 1 else { nstmFatal(.other(op: "TextDataset.evaluationBatches", "batch size \(size) must be at least 1")) }
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
        guard count >= 1 else { nstmFatal(.other(op: "TextDataset", "batch size \(count) must be at least 1")) }
        let offsets = (0..<count).map(offset)
        func gather(_ shift: Int) -> Tensor {
            Tensor([count, length], initializing: Int32.self) { p in
                tokens.withUnsafeBufferPointer { tokens in
                    for (row, offset) in offsets.enumerated() {
                        let window = UnsafeBufferPointer(rebasing: tokens[offset + shift..<offset + shift + length])
                        let destination = UnsafeMutableBufferPointer(rebasing: p[row * length..<(row + 1) * length])
                        _ = destination.update(fromContentsOf: window)
                    }
                }
            }
        }
        return Batch(inputs: gather(0), targets: gather(1), tokenCount: count * length)
    }
}
