import Foundation
import NSTMTensor

/// Reading of files given by a user, up to a size limit.
///
/// Only regular files are read, because a pipe or a device may block or never end.
package enum InputFile {
    /// The reason why a file was not read.
    package struct Refusal: Error, Equatable {
        /// The end of a message that starts with "cannot read PATH: ".
        package let reason: String
        /// The error if there is not enough memory for the file; nil for other reasons.
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
    /// Maximum size of a configuration or a plan, in bytes.
    package static let largestConfiguration = 1 << 20
    /// Maximum size of a text or a file of images, in bytes.
    package static let largestData = 1 << 32

    /// The content of a file.
    ///
    /// The available memory is checked before the file is read.
    /// - Parameters:
    ///   - limit: maximum size, in bytes.
    ///   - need: bytes of memory per byte of the file: at least 1, more if the content is copied or converted.
    package static func read(_ file: URL, atMost limit: Int, needing need: Int = 1) throws(Refusal) -> Data {
        var content = Data()
        func prepare(_ size: Int) throws(Refusal) {
            do { try AvailableMemory.check([size, need].saturatedProduct, for: "the contents of \(file.path)") } catch {
                throw Refusal(error)
            }
            content.reserveCapacity(size)
        }
        try readInPieces(file, atMost: limit, opening: { $0 }, prepare: prepare) { (piece: Data) throws(Refusal) in
            content += piece
        }
        return content
    }

    /// Reads a file in pieces of at most 1 MiB, so that a large one is never in memory as a whole.
    /// - Parameters:
    ///   - limit: maximum size, in bytes.
    ///   - refused: converts the reason why the file was not read to the error that is thrown.
    ///   - prepare: called with the size of the file before the first piece.
    ///   - body: called with each piece.
    static func readInPieces<Failure: Error>(
        _ file: URL, atMost limit: Int = .max, opening refused: (Refusal) -> Failure,
        prepare: (Int) throws(Failure) -> Void = { _ in }, _ body: (Data) throws(Failure) -> Void
    ) throws(Failure) {
        // Without O_NONBLOCK, opening a pipe would block until another process opens it for writing.
        let descriptor = open(file.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw refused(system(errno)) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw refused(system(errno)) }
        let kind = status.st_mode & S_IFMT
        guard kind == S_IFREG else { throw refused(Refusal(reason: "it is \(name(kind)); a regular file is needed")) }
        let tooLarge = Refusal(reason: "it has more than \(limit) bytes, the limit for such a file")
        guard Int(status.st_size) <= limit else { throw refused(tooLarge) }
        try prepare(Int(status.st_size))
        var total = 0
        while true {
            var piece = Data(count: 1 << 20)
            let count = piece.withUnsafeMutableBytes { Foundation.read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { return }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw refused(system(errno))
            }
            // Files in /proc report size 0, and other files may grow.
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
