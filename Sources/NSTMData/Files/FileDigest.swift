import Foundation
import NSTMSystem

/// Size and SHA-256 of some bytes.
public struct FileDigest: Sendable, Hashable, Codable, CustomStringConvertible {
    public let byteCount: Int
    /// 64 lower-case hexadecimal digits.
    public let sha256: String

    public init(byteCount: Int, sha256: String) {
        self.byteCount = byteCount
        self.sha256 = sha256
    }
    /// The digest of a file, read in pieces.
    public init(contentsOf file: URL) throws(DatasetError) {
        var counter = DigestCounter()
        try readInPieces(file) { piece throws(DatasetError) in counter.update(piece) }
        self = counter.finish()
    }
    public var description: String { "sha256 \(sha256), \(byteCount) bytes" }
}

/// Collects a digest piece by piece.
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

/// Hands over a file's bytes in pieces of at most a mebibyte.
func readInPieces(_ file: URL, _ body: (Data) throws(DatasetError) -> Void) throws(DatasetError) {
    try InputFile.readInPieces(file, opening: { .unreadable(path: file.path, reason: $0.reason) }, body)
}
