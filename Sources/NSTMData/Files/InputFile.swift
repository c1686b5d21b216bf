import Foundation

/// Reads files that a user names: regular files only, because a pipe, a device or a folder may never end or never answer, and none
/// larger than a limit.
package enum InputFile {
    /// Why a file is not read, to be put after "cannot read" and its path.
    package struct Refusal: Error, Equatable {
        package let reason: String
    }
    /// Bytes of a configuration or a plan.
    package static let largestConfiguration = 1 << 20
    /// Bytes of a text or a file of images.
    package static let largestData = 1 << 32

    /// - Parameter limit: the largest number of bytes.
    package static func read(_ file: URL, atMost limit: Int) throws(Refusal) -> Data {
        var content = Data()
        try readInPieces(file, atMost: limit) { (piece: Data) throws(Refusal) in content += piece }
        return content
    }

    /// Hands over a file's bytes in pieces of at most a mebibyte, so that a large one never lies in memory whole.
    static func readInPieces<Failure: Error>(
        _ file: URL, atMost limit: Int = .max, opening refused: (Refusal) -> Failure, _ body: (Data) throws(Failure) -> Void
    ) throws(Failure) {
        // Opening a pipe would wait for somebody who writes into it.
        let descriptor = open(file.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw refused(system(errno)) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw refused(system(errno)) }
        let kind = status.st_mode & S_IFMT
        guard kind == S_IFREG else { throw refused(Refusal(reason: "it is \(name(kind)); a regular file is needed")) }
        let tooLarge = Refusal(reason: "it has more than \(limit) bytes, the most that are read of such a file")
        guard Int(status.st_size) <= limit else { throw refused(tooLarge) }
        var total = 0
        while true {
            var piece = Data(count: 1 << 20)
            let count = piece.withUnsafeMutableBytes { Foundation.read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { return }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw refused(system(errno))
            }
            // Files in /proc have no size, and others may grow.
            total += count
            guard total <= limit else { throw refused(tooLarge) }
            try body(piece.prefix(count))
        }
    }
    private static func readInPieces(
        _ file: URL, atMost limit: Int, _ body: (Data) throws(Refusal) -> Void
    ) throws(Refusal) { try readInPieces(file, atMost: limit, opening: { $0 }, body) }

    private static func system(_ code: Int32) -> Refusal { Refusal(reason: String(cString: strerror(code))) }
    private static func name(_ kind: mode_t) -> String {
        switch kind {
        case S_IFDIR: "a folder"
        case S_IFIFO: "a pipe"
        case S_IFSOCK: "a socket"
        default: "a device"
        }
    }
}
