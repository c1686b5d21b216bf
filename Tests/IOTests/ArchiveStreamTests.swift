import CHDF5
import Foundation
import NSTMIO
import NSTMTensor
import Testing

/// Data from a child process is as untrusted as the file: a child under the control of a hostile file can send anything.
struct ArchiveStreamTests {
    static let fileBytes = 100_000
    static let harm = "libhdf5 crashes or does not terminate when reading it"

    /// All that a child process sends of the sample archive when everything is requested in the order of a reader.
    static func recording() throws -> [UInt8] {
        let scratch = try Scratch(), archive = sampleArchive(), kinds = DType.allCases
        try CheckpointFile.write(archive, to: scratch.file())
        let stream = try ArchiveStream.start(scratch.file().path)
        func ask(_ path: String, _ type: Int?, _ bytes: Int) throws {
            let type = UInt64(try #require(type))
            if bytes > 0 { #expect(nstm_reading_ask(stream.socket, path, type, UInt64(bytes)) == 0) }
        }
        for (name, text) in archive.documents.sorted(by: { $0.key < $1.key }) {
            try ask("meta/\(name)", kinds.firstIndex(of: .uint8), text.utf8.count)
        }
        for (path, tensor) in archive.tensors {
            try ask(path, kinds.firstIndex(of: tensor.dtype), tensor.shape.count * tensor.dtype.byteCount)
        }
        for (path, values) in archive.integers { try ask(path, kinds.count, values.count * 8) }
        // The child process ends when no more requests can follow.
        shutdown(stream.socket, Int32(SHUT_WR))
        var bytes: [UInt8] = [], piece = [UInt8](repeating: 0, count: 4096)
        while true {
            let n = read(stream.socket, &piece, piece.count)
            if n > 0 { bytes += piece[..<n] } else if n == 0 || errno != EAGAIN { return bytes }
        }
    }

    private static func socketPair() throws -> (own: Int32, other: Int32) {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, streamSocket, 0, &ends) == 0)
        return (ends[0], ends[1])
    }

    /// The archive in a stream, or the error.
    static func decoded(_ bytes: [UInt8]) throws -> Result<CheckpointArchive, CheckpointError> {
        let (own, other) = try socketPair(), stream = ArchiveStream(socket: own, path: "stream")
        let sent = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            _ = nstm_send(other, bytes, bytes.count)
            shutdown(other, Int32(SHUT_WR))
            sent.signal()
        }
        let result = Result { () throws(CheckpointError) in try CheckpointFile.archive(from: stream, fileBytes: fileBytes) }
        // Ends the writer when the reader has not taken everything.
        shutdown(stream.socket, Int32(SHUT_RDWR))
        sent.wait()
        close(other)
        return result
    }
    static func refusal(_ bytes: [UInt8]) throws -> String? {
        if case .failure(.refused("stream", _, let reason)) = try decoded(bytes) { return reason }
        return nil
    }

    @Test func aWholeStreamIsTheArchive() throws {
        expectEqual(try ArchiveStreamTests.decoded(try ArchiveStreamTests.recording()).get(), sampleArchive())
    }

    @Test func everyTruncationIsRefused() throws {
        let whole = try ArchiveStreamTests.recording()
        for count in whole.indices {
            #expect(try ArchiveStreamTests.refusal(Array(whole[..<count])) == ArchiveStreamTests.harm, "\(count) bytes")
        }
    }

    /// Numbers, texts and elements that are others: an error, or an archive no larger than a file of this length can be.
    @Test func changedStreamsKeepTheLimits() throws {
        let whole = try ArchiveStreamTests.recording()
        let numbers: [UInt64] = [0, 1, 2, 3, 9, 33, 257, 1 << 20, 1 << 31, 1 << 40, 1 << 62, 1 << 63, .max - 1, .max]
        var refused = 0
        for i in 0..<6000 {
            let key = RandomKey(11).fold(i), start = key.integer(0, below: whole.count - 8)
            var bytes = whole
            switch key.integer(1, below: 3) {
            case 0: bytes[start] ^= 1 << UInt8(key.integer(2, below: 8))
            case 1:
                let number = numbers[key.integer(2, below: numbers.count)]
                for b in 0..<8 { bytes[start + b] = UInt8(truncatingIfNeeded: number >> (8 * UInt64(b))) }
            default: bytes.removeSubrange(start..<start + 1 + key.integer(2, below: 8))
            }
            switch try ArchiveStreamTests.decoded(bytes) {
            case .failure: refused += 1
            case .success(let archive):
                let tensors = archive.tensors.reduce(0) { $0 + $1.tensor.shape.count * $1.tensor.dtype.byteCount }
                #expect(tensors <= 1032 * ArchiveStreamTests.fileBytes && archive.tensors.count <= 9, "stream \(i)")
            }
        }
        #expect(refused > 3000, "\(refused) refused")
    }

    // MARK: Streams that no file stands for

    private static func words(_ numbers: UInt64...) -> [UInt8] {
        numbers.flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) } }
    }
    private static func text(_ text: String) -> [UInt8] { words(UInt64(text.utf8.count)) + Array(text.utf8) }
    /// A file up to its root group.
    private static let opened = words(1, 1, 1, 1, 1, 1, 1) + text("2026-01-01T00:00:00Z") + words(1)
    /// A link, the only one to what it leads to.
    private static func link(_ name: String, kind: UInt64) -> [UInt8] {
        words(1, UInt64(name.utf8.count)) + text(name) + words(1, 1, 1, 1, 1, kind)
    }
    private static func group(_ links: UInt64) -> [UInt8] { words(1, links) }
    private static func refusal(inRoot bytes: [UInt8]...) throws -> String? { try refusal(opened + bytes.joined()) }

    @Test func anEmptyRootIsAnEmptyArchive() throws {
        expectEqual(
            try ArchiveStreamTests.decoded(ArchiveStreamTests.opened + ArchiveStreamTests.group(0)).get(), CheckpointArchive())
    }

    @Test func listingsWithoutEnd() throws {
        typealias T = ArchiveStreamTests
        #expect(try T.refusal(inRoot: T.group(100_001)) == "100001 links")
        #expect(try T.refusal(inRoot: T.group(.max)) == "\(UInt64.max) links")
        let deep = (0..<20).flatMap { _ in T.group(1) + T.link("g", kind: 0) }
        #expect(try T.refusal(inRoot: deep) == "groups nested deeper than 16")
        let many = (0..<100_000).flatMap { T.link("\($0)", kind: 0) + T.group(0) }
        #expect(try T.refusal(inRoot: T.group(1), T.link("all", kind: 0), T.group(100_000), many) == "more than 100000 objects")
        let twice = T.link("a", kind: 0) + T.group(0)
        #expect(try T.refusal(inRoot: T.group(2), twice, twice) == "a name that is used twice")
    }

    @Test func lyingLengths() throws {
        typealias T = ArchiveStreamTests
        for length in [258, 1 << 40, .max] as [UInt64] {
            #expect(try T.refusal(inRoot: T.group(1), T.words(1, length, length)) == T.harm)
        }
        #expect(try T.refusal(inRoot: T.group(1), T.words(1, 7), T.text("a")) == "a link with the invalid name 'a'")
        // Chunked, no other files, more filters than there can be.
        let dataset = T.group(1) + T.link("x", kind: 1) + T.words(1, 2, 1, 0)
        #expect(try T.refusal(inRoot: dataset, T.words(1, 33)) == T.harm)
        // One axis of 1000 bytes (`uint8`), in one chunk.
        let byte = UInt64(try #require(DType.allCases.firstIndex(of: .uint8)))
        let sized = T.words(1, 0, 1, byte, 1, 1, 1, 1, 1, 1000) + T.words(1, 1, 1000, 0, 0, 0, 0, 0, 0, 0)
        #expect(try T.refusal(inRoot: dataset, sized, T.words(999)) == "1000 bytes declared, 999 stored")
        #expect(
            try T.refusal(inRoot: dataset, sized, T.words(.max)) == "\(UInt64.max) stored bytes in a file of \(T.fileBytes)")
        #expect(
            try T.refusal(inRoot: dataset, sized, T.words(1000, 1, 1, 1, 1, .max)) == "the attribute 'order' is -1, expected 0")
        let whole = sized + T.words(1000, 1, 1, 1, 1, 0)
        for count in [0, 999, 1001, .max] as [UInt64] {
            #expect(try T.refusal(inRoot: dataset, whole, T.words(1, count), [UInt8](repeating: 7, count: 1001)) == T.harm)
        }
        let elements = T.words(1, 1000) + [UInt8](repeating: 7, count: 1000)
        let archive = try T.decoded(T.opened + dataset + whole + elements).get()
        #expect(archive[tensor: "x"]?.elements(UInt8.self) == [UInt8](repeating: 7, count: 1000))
    }

    @Test func messagesArePrintable() throws {
        typealias T = ArchiveStreamTests
        let failure = T.words(0, 0) + T.text("outer\u{1B}[2J") + T.text("inner\n")
        guard case .failure(let error) = try T.decoded(failure) else {
            Issue.record("no error")
            return
        }
        #expect(error == .hdf5(path: "stream", operation: "open the file", outermost: "outer?[2J", innermost: "inner?"))
    }

    /// A child that neither sends nor ends is given up.
    @Test func silenceIsRefused() throws {
        let (own, other) = try ArchiveStreamTests.socketPair()
        defer { close(other) }
        var wait = timeval(tv_sec: 0, tv_usec: 1000)
        setsockopt(own, SOL_SOCKET, SO_RCVTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
        let stream = ArchiveStream(socket: own, path: "stream", patience: 3)
        let error = checkpointError { () throws(CheckpointError) in
            _ = try CheckpointFile.archive(from: stream, fileBytes: ArchiveStreamTests.fileBytes)
        }
        #expect(error == .refused(path: "stream", object: "/", reason: ArchiveStreamTests.harm))
    }
}

#if canImport(Glibc)
    private let streamSocket = Int32(SOCK_STREAM.rawValue)
#else
    private let streamSocket = SOCK_STREAM
#endif
