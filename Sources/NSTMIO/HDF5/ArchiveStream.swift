internal import CHDF5
import Foundation

/// A stream of what libhdf5 finds in a file (`reading.h`): numbers, texts and the elements of datasets.
///
/// A child process reads the file and sends it; only a file that this process has written is read in this process.
///
/// The file may be malicious and may have taken control of the child. So every length is checked before memory is allocated for
/// it, and missing, late or impossible data ends with the same error, `refused`.
package final class ArchiveStream {
    package let path: String
    package let socket: Int32
    /// The child process at the other end of the socket; nil when there is none.
    private let child: Int32?
    private let own: OwnFile?
    /// Remaining seconds of waiting without a byte, after which the stream fails.
    private var patience: Int
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    /// Range of the buffer with received, unconsumed bytes.
    private var held = 0..<0

    /// A stream from a connected socket, which it closes.
    /// - Parameter patience: seconds of waiting without a byte before the stream fails.
    package init(socket: Int32, child: Int32? = nil, path: String, patience: Int = 60) {
        self.socket = socket
        self.child = child
        own = nil
        self.path = path
        self.patience = patience
    }
    /// A stream from a file that this process has written.
    ///
    /// It must be used only inside the same `HDF5.locked`.
    init(own file: borrowing OpenFile) throws(CheckpointError) {
        own = try OwnFile(file)
        path = file.path
        socket = -1
        child = nil
        patience = 0
    }
    deinit {
        if let child { nstm_reading_end(socket, child) } else if socket >= 0 { close(socket) }
        buffer.deallocate()
    }

    /// A stream from a new child process that reads an open file with a verified digest.
    /// - Throws: `ioError` when the process cannot be started.
    static func start(_ file: borrowing OpenFile) throws(CheckpointError) -> ArchiveStream {
        let path = file.path, descriptor = file.descriptor, bytes = try file.byteCount()
        return try HDF5.locked { () throws(CheckpointError) in
            let types = try HDF5Types.make(path), access = try HDF5Handle.fileAccess(path)
            var reading = nstm_reading(descriptor, access, types)
            var child: pid_t = 0
            let socket = nstm_reading_start(&reading, UInt64(bytes), &child)
            guard socket >= 0 else { throw .system("start a process that reads the file", path, errno) }
            // Allows for a disk of 1 MiB/s.
            return ArchiveStream(socket: socket, child: child, path: path, patience: 60 + bytes >> 20)
        }
    }

    /// A stream from a new child process that reads the file at a path.
    package static func start(_ path: String) throws(CheckpointError) -> ArchiveStream { try start(try OpenFile.at(path)) }

    /// The error of a child process that crashed, timed out or sent invalid data.
    var childFailure: CheckpointError {
        .refused(path: path, object: "/", reason: "libhdf5 crashes or does not terminate when reading it")
    }

    // MARK: Reading

    /// Reads the status of an operation of libhdf5.
    /// - Throws: its error, if it failed.
    func answer(_ operation: String) throws(CheckpointError) {
        if try flag() { return }
        let code = Int32(truncatingIfNeeded: try number())
        let outermost = try message(), innermost = try message()
        throw HDF5.failure(operation, path, code: code, outermost: outermost, innermost: innermost)
    }
    func number() throws(CheckpointError) -> UInt64 {
        try hold(8)
        let value = buffer.loadUnaligned(fromByteOffset: held.lowerBound, as: UInt64.self)
        held.removeFirst(8)
        return value
    }
    func integer() throws(CheckpointError) -> Int64 { Int64(bitPattern: try number()) }
    func count(most: Int) throws(CheckpointError) -> Int {
        guard let count = Int(exactly: try number()), count <= most else { throw childFailure }
        return count
    }
    func flag() throws(CheckpointError) -> Bool { try count(most: 1) == 1 }
    func text(most: Int) throws(CheckpointError) -> [UInt8] {
        let count = try count(most: most)
        try hold(count)
        let bytes = Array(buffer[held.prefix(count)])
        held.removeFirst(count)
        return bytes
    }
    /// An error message, restricted to printable ASCII, because terminals interpret control characters.
    private func message() throws(CheckpointError) -> String {
        String(decoding: try text(most: 512).map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }

    /// Requests the elements of a dataset and waits for them.
    func elements(
        of dataset: String, _ type: StoredType, into memory: UnsafeMutableRawBufferPointer
    ) throws(CheckpointError) {
        guard let index = StoredType.all.firstIndex(of: type) else { throw childFailure }
        if let own {
            own.read(dataset, index, into: memory)
        } else if nstm_reading_ask(socket, dataset, UInt64(index), UInt64(memory.count)) != 0 {
            // Sending fails only if the child process has terminated.
            throw childFailure
        }
        try answer("read '\(dataset)'")
        guard try number() == memory.count else { throw childFailure }
        if own != nil { return }
        let first = min(held.count, memory.count)
        memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[held.prefix(first)]))
        held.removeFirst(first)
        var done = first
        while done < memory.count { done += try receive(into: UnsafeMutableRawBufferPointer(rebasing: memory[done...])) }
    }

    /// Receives until the buffer has at least `count` unconsumed bytes.
    /// - Parameter count: at most the capacity of the buffer.
    private func hold(_ count: Int) throws(CheckpointError) {
        if held.count >= count { return }
        if held.lowerBound + count > buffer.count {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[held]))
            held = 0..<held.count
        }
        while held.count < count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[held.upperBound...])
            held = held.lowerBound..<held.upperBound + (try receive(into: rest))
        }
    }
    /// - Returns: number of received bytes, at least 1.
    private func receive(into memory: UnsafeMutableRawBufferPointer) throws(CheckpointError) -> Int {
        if let own {
            let n = own.take(into: memory)
            if n == 0 { throw childFailure }
            return n
        }
        while true {
            let n = read(socket, memory.baseAddress!, memory.count)
            if n > 0 { return n }
            if n < 0, errno == EINTR { continue }
            if n < 0, errno == EAGAIN, patience > 0 {
                patience -= 1
                continue
            }
            throw childFailure
        }
    }
}

/// A file that this process has written and that libhdf5 reads in this process.
private final class OwnFile {
    private let types: HDF5Types
    private let access: HDF5Handle
    private let file: hid_t
    private var reading: nstm_reading
    /// The stream, in memory.
    private var stream = nstm_sender()
    /// Number of consumed bytes of the stream.
    private var taken = 0

    init(_ verified: borrowing OpenFile) throws(CheckpointError) {
        types = try HDF5Types.make(verified.path)
        access = try HDF5Handle.fileAccess(verified.path)
        // Closing the file also closes objects that an error left open.
        try HDF5.check(H5Pset_fclose_degree(access.id, H5F_CLOSE_STRONG), "prepare the file", verified.path)
        reading = nstm_reading(verified.descriptor, access, types)
        file = nstm_open(&reading)
        stream.socket = -1
        _ = nstm_list_file(&stream, file, &reading)
    }
    deinit {
        if file >= 0 { H5Fclose(file) }
        free(stream.bytes)
    }

    func take(into memory: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(stream.used - taken, memory.count)
        if count > 0 { memory.copyMemory(from: UnsafeRawBufferPointer(start: stream.bytes + taken, count: count)) }
        taken += count
        return count
    }
    /// Reads the elements of a dataset into memory.
    ///
    /// The stream continues with the status only.
    func read(_ dataset: String, _ type: Int, into memory: UnsafeMutableRawBufferPointer) {
        stream.used = 0
        taken = 0
        var request = nstm_make_request(dataset, UInt64(type), UInt64(memory.count))
        _ = nstm_read_elements(&stream, file, &request, &reading, memory.baseAddress)
    }
}

extension nstm_reading {
    fileprivate init(_ descriptor: Int32, _ access: borrowing HDF5Handle, _ types: borrowing HDF5Types) {
        self.init()
        self.descriptor = descriptor
        self.access = access.id
        var inFile: [hid_t] = [], inMemory: [hid_t] = []
        for type in StoredType.all {
            inFile.append(types.file(type))
            inMemory.append(types.memory(type))
        }
        file_types = (inFile[0], inFile[1], inFile[2], inFile[3], inFile[4], inFile[5])
        memory_types = (inMemory[0], inMemory[1], inMemory[2], inMemory[3], inMemory[4], inMemory[5])
    }
}

/// The digests of the payloads of all files that this process has written.
enum WrittenFiles {
    // Only used inside `HDF5.locked`.
    nonisolated(unsafe) private static var digests: Set<[UInt8]> = []

    static func insert(_ digest: [UInt8]) {
        // Bounded memory, also for a run with millions of checkpoints; a forgotten file is read by a child process.
        if digests.count >= 10_000 { digests = [] }
        digests.insert(digest)
    }
    static func contains(_ digest: [UInt8]) -> Bool { digests.contains(digest) }
}
