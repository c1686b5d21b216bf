import NSTMSystem
import Foundation

extension CheckpointFile {
    /// The first 512 bytes of a checkpoint: the HDF5 user block, which libhdf5 ignores.
    ///
    /// | bytes | content |
    /// |---|---|
    /// | 0..<8 | `NSTMCKPT` |
    /// | 8..<12 | format version, unsigned, little-endian |
    /// | 12..<16 | 0 |
    /// | 16..<24 | payload length in bytes, unsigned, little-endian |
    /// | 24..<56 | SHA-256 of the payload, that is of bytes 512 to the end of the file |
    /// | 56..<480 | 0 |
    /// | 480..<512 | SHA-256 of bytes 0..<480 |
    ///
    /// The offsets of the magic number, the version and the header's own digest are the same in every later format.
    public struct Header: Sendable, Equatable {
        /// Version of the file format.
        public let formatVersion: Int
        /// Number of bytes after the header, which are the HDF5 data.
        public let payloadBytes: Int
        /// SHA-256 of the payload, 32 bytes.
        public let payloadDigest: [UInt8]

        /// Size of the header, in bytes.
        public static let byteCount = 512
        /// Format version that is written, and the latest that can be read.
        public static let currentVersion = 2

        package static let magic = Array("NSTMCKPT".utf8)
        private static let digestOffset = 480

        package init(formatVersion: Int = Header.currentVersion, payloadBytes: Int, payloadDigest: [UInt8]) {
            self.formatVersion = formatVersion
            self.payloadBytes = payloadBytes
            self.payloadDigest = payloadDigest
        }

        /// The header as 512 bytes.
        package var encoded: [UInt8] {
            var bytes = Header.magic
            bytes += (0..<4).map { UInt8(truncatingIfNeeded: formatVersion >> ($0 * 8)) }
            bytes += [0, 0, 0, 0]
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: payloadBytes >> ($0 * 8)) }
            bytes += payloadDigest
            bytes += [UInt8](repeating: 0, count: Header.digestOffset - bytes.count)
            bytes += SHA256.digest(of: bytes)
            return bytes
        }

        /// The header in the first bytes of a file.
        /// - Parameters:
        ///   - bytes: the first 512 bytes of the file, fewer if it is shorter.
        ///   - fileBytes: size of the file, which is compared with the header.
        ///   - path: path of the file, for error messages.
        /// - Throws: `notCheckpoint`, `truncated`, `trailingData`, `digestMismatch`, `newerFormat` or `refused`.
        package init(_ bytes: [UInt8], fileBytes: Int, path: String) throws(CheckpointError) {
            let magic = Header.magic
            guard bytes.prefix(magic.count).elementsEqual(magic.prefix(bytes.count)) else {
                let isHDF5 = bytes.starts(with: CheckpointFile.hdf5Signature)
                throw .notCheckpoint(
                    path: path, found: isHDF5 ? "an HDF5 file without a checkpoint header" : "other data (\(fileBytes) bytes)")
            }
            guard bytes.count >= Header.byteCount else {
                throw .truncated(path: path, expected: Header.byteCount, actual: fileBytes)
            }
            let stored = Array(bytes[Header.digestOffset..<Header.byteCount])
            let actual = SHA256.digest(of: bytes[..<Header.digestOffset])
            guard stored == actual else {
                throw .digestMismatch(path: path, part: "header", expected: hexadecimal(stored), actual: hexadecimal(actual))
            }
            func number(_ range: Range<Int>) -> UInt64 { bytes[range].reversed().reduce(0) { $0 << 8 | UInt64($1) } }
            let version = Int(number(8..<12))
            guard version <= Header.currentVersion else {
                throw .newerFormat(path: path, found: version, supported: Header.currentVersion)
            }
            guard let payload = Int(exactly: number(16..<24)), payload <= Int.max - Header.byteCount else {
                throw .refused(path: path, object: "header", reason: "payload of \(number(16..<24)) bytes")
            }
            let expected = Header.byteCount + payload
            guard fileBytes >= expected else { throw .truncated(path: path, expected: expected, actual: fileBytes) }
            guard fileBytes == expected else { throw .trailingData(path: path, expected: expected, actual: fileBytes) }
            self.init(formatVersion: version, payloadBytes: payload, payloadDigest: Array(bytes[24..<56]))
        }

        /// The header of an open file.
        ///
        /// The digest of the payload is verified, so that no other code reads damaged data.
        init(verifying file: borrowing OpenFile) throws(CheckpointError) {
            let size = try file.byteCount()
            let header = try Header(
                try file.bytes(at: 0, count: Header.byteCount), fileBytes: size, path: file.path)
            let actual = try file.sha256(from: Header.byteCount)
            guard actual == header.payloadDigest else {
                throw .digestMismatch(
                    path: file.path, part: "payload", expected: hexadecimal(header.payloadDigest), actual: hexadecimal(actual))
            }
            self = header
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
