internal import CZlib

/// Decompression of gzip data (RFC 1952), with zlib.
enum Gzip {
    /// Decompressed bytes, and an issue if the data is damaged.
    struct Result {
        var bytes: [UInt8]
        /// nil without an issue, or when the limit was reached before the end.
        var issue: String?
    }

    /// Whether data has the magic number of gzip.
    static func isGzip(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x1F, 0x8B]) }

    /// The decompressed data.
    /// - Parameter limit: maximum number of decompressed bytes, so that a small file cannot exhaust memory. The checksum at the
    ///   end is verified only if the limit is above the size of the content.
    static func unpack(_ packed: [UInt8], atMost limit: Int) -> Result {
        var stream = z_stream()
        guard nstm_inflate_start_gzip(&stream) == Z_OK else { return Result(bytes: [], issue: "zlib cannot be started") }
        defer { inflateEnd(&stream) }
        var bytes: [UInt8] = []
        let piece = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: min(max(limit, 1), 1 << 20))
        defer { piece.deallocate() }
        let issue = packed.withUnsafeBufferPointer { input -> String? in
            stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            var given = 0
            while bytes.count < limit {
                if stream.avail_in == 0 {
                    // The counts of zlib have 32 bits.
                    stream.avail_in = UInt32(min(input.count - given, 1 << 30))
                    given += Int(stream.avail_in)
                }
                let space = min(piece.count, limit - bytes.count)
                stream.next_out = piece.baseAddress
                stream.avail_out = UInt32(space)
                let status = inflate(&stream, Z_NO_FLUSH)
                bytes += piece[..<(space - Int(stream.avail_out))]
                switch status {
                case Z_OK: continue
                case Z_STREAM_END:
                    let rest = Int(stream.avail_in) + input.count - given
                    return rest == 0 ? nil : "\(rest) bytes follow the end of the gzip data"
                case Z_BUF_ERROR:
                    return "the gzip data is truncated after \(input.count) compressed and \(bytes.count) decompressed bytes"
                default:
                    let text = stream.msg.map { String(cString: $0) } ?? "zlib status \(status)"
                    return "the gzip data is damaged after \(bytes.count) decompressed bytes: \(text)"
                }
            }
            return nil
        }
        return Result(bytes: bytes, issue: issue)
    }
}
