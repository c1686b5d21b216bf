import Foundation
import NSTMTensor

/// Reads files that a user names: regular files only, because a pipe, a device or a folder may never end or never answer, and none
/// larger than a limit.
package enum InputFile {
    /// Why a file is not read, to be put after "cannot read" and its path.
    package struct Refusal: Error, Equatable {
        package let reason: String
        /// Set when there is not enough memory for the file.
        package let memory: MemoryError?

        init(reason: String) {
            self.reason = reason
            memory = nil
        }
        init(_ memory: MemoryError) {
            reason = "\(memory)"
            self.memory = memory
        }
    }
    /// Bytes of a configuration or a plan.
    package static let largestConfiguration = 1 << 20
    /// Bytes of a text or a file of images.
    package static let largestData = 1 << 32

    /// Compares the file's size with the available memory before anything is read.
    /// - Parameters:
    ///   - limit: the largest number of bytes.
    ///   - need: bytes of memory for each byte of the file: at least 1, and more when its content is copied or converted.
    package static func read(_ file: URL, atMost limit: Int, needing need: Int = 1) throws(Refusal) -> Data {
        var content = Data()
        func begin(_ size: Int) throws(Refusal) {
            do { try AvailableMemory.check([size, need].saturatedProduct, for: "the contents of \(file.path)") } catch {
                throw Refusal(error)
            }
            content.reserveCapacity(size)
        }
        try readInPieces(file, atMost: limit, opening: { $0 }, begin: begin) { (piece: Data) throws(Refusal) in content += piece }
        return content
    }

    /// Hands over a file's bytes in pieces of at most a mebibyte, so that a large one is never in memory as a whole.
    /// - Parameter begin: is told the file's size before the first piece.
    static func readInPieces<Failure: Error>(
        _ file: URL, atMost limit: Int = .max, opening refused: (Refusal) -> Failure,
        begin: (Int) throws(Failure) -> Void = { _ in }, _ body: (Data) throws(Failure) -> Void
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
        try begin(Int(status.st_size))
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
