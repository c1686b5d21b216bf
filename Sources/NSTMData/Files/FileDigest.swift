import Foundation
import NSTMSystem

/// The size and SHA-256 of a file or text.
public struct FileDigest: Sendable, Hashable, Codable, CustomStringConvertible {
    /// Size in bytes.
    public let byteCount: Int
    /// SHA-256 as 64 lower-case hexadecimal digits.
    public let sha256: String

    public init(byteCount: Int, sha256: String) {
        self.byteCount = byteCount
        self.sha256 = sha256
    }
    /// The digest of a file, which is read in pieces.
    /// - Throws: `DatasetError.unreadable`.
    public init(contentsOf file: URL) throws(DatasetError) {
        var counter = DigestCounter()
        try readInPieces(file) { piece throws(DatasetError) in counter.update(piece) }
        self = counter.finish()
    }
    /// The digest of a text, such as the description that determines a generated dataset (`Dataset.fingerprint`).
    public init(of text: String) {
        var counter = DigestCounter()
        counter.update(text)
        self = counter.finish()
    }
    public var description: String { "sha256 \(sha256), \(byteCount) bytes" }
}

/// An incremental computation of a `FileDigest`.
struct DigestCounter: ~Copyable {
    private var hash = SHA256()
    private var byteCount = 0

    mutating func update(_ piece: Data) {
        piece.withUnsafeBytes { hash.update($0) }
        byteCount += piece.count
    }
    mutating func update(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            hash.update(UnsafeRawBufferPointer(bytes))
            byteCount += bytes.count
        }
    }
    mutating func finish() -> FileDigest {
        let digits = Array("0123456789abcdef".utf8)
        let byteCount = byteCount, hex = hash.finish().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return FileDigest(byteCount: byteCount, sha256: String(decoding: hex, as: UTF8.self))
    }
}

/// Reads a file in pieces of at most 1 MiB.
func readInPieces(_ file: URL, _ body: (Data) throws(DatasetError) -> Void) throws(DatasetError) {
    try InputFile.readInPieces(file, opening: { .unreadable(path: file.path, reason: $0.reason) }, body)
}
