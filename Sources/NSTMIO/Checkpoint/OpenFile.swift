import Foundation
import NSTMSystem
import NSTMTensor

/// An open regular file, which is closed when the value goes out of scope.
struct OpenFile: ~Copyable {
    let descriptor: Int32
    let path: String

    private init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }
    deinit { close(descriptor) }

    /// Opens an existing regular file.
    ///
    /// `O_NONBLOCK` makes opening a pipe an error instead of a wait.
    /// - Throws: `notFound`, `notCheckpoint` or `ioError`.
    static func at(_ path: String, writable: Bool = false) throws(CheckpointError) -> OpenFile {
        let descriptor = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let code = errno
            if code == ENOENT { throw .notFound(path: path) }
            if code == EISDIR { throw .notCheckpoint(path: path, found: "a folder") }
            throw .system("open the file", path, code)
        }
        let file = OpenFile(descriptor: descriptor, path: path)
        let kind = try file.status().st_mode & S_IFMT
        guard kind == S_IFREG else {
            throw .notCheckpoint(path: path, found: kind == S_IFDIR ? "a folder" : "a special file")
        }
        return file
    }

    /// Creates a file for writing; it must not exist.
    /// - Throws: `ioError`.
    static func new(_ path: String) throws(CheckpointError) -> OpenFile {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .system("create the file", path, errno) }
        return OpenFile(descriptor: descriptor, path: path)
    }

    func status() throws(CheckpointError) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("examine the file", path, errno) }
        return status
    }
    func byteCount() throws(CheckpointError) -> Int { Int(try status().st_size) }

    /// Reads from an offset until the buffer is full or the file ends.
    /// - Returns: number of bytes read.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(CheckpointError) -> Int {
        var done = 0
        while done < buffer.count {
            let n = pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            if n == 0 { break }
            if n > 0 { done += n } else if errno != EINTR { throw .system("read the file", path, errno) }
        }
        return done
    }
    /// `count` bytes from an offset, fewer at the end of the file.
    func bytes(at offset: Int, count: Int) throws(CheckpointError) -> [UInt8] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
        defer { buffer.deallocate() }
        return Array(buffer.prefix(try read(into: buffer, at: offset)))
    }
    func write(_ bytes: [UInt8], at offset: Int) throws(CheckpointError) {
        let code = bytes.withUnsafeBytes { put($0, at: offset) }
        if code != 0 { throw .system("write the file", path, code) }
    }
    /// Writes the elements of a tensor in row-major order, little-endian as on all supported hosts.
    func write(_ tensor: Tensor, at offset: Int) throws(CheckpointError) {
        let code = tensor.withBytes { put($0, at: offset) }
        if code != 0 { throw .system("write the file", path, code) }
    }
    /// - Returns: 0, or the `errno` of the failed call.
    private func put(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int32 {
        var done = 0
        while done < bytes.count {
            let n = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            if n > 0 { done += n } else if n == 0 { return ENOSPC } else if errno != EINTR { return errno }
        }
        return 0
    }

    /// SHA-256 of the bytes from an offset to the end of the file, which are read in pieces of 1 MiB.
    func sha256(from offset: Int) throws(CheckpointError) -> [UInt8] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        var hasher = SHA256()
        var position = offset
        while true {
            let n = try read(into: buffer, at: position)
            if n == 0 { break }
            hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<n]))
            position += n
        }
        return hasher.finish()
    }

    /// Flushes the contents of the file to disk.
    func synchronize() throws(CheckpointError) {
        guard flushToMedium(descriptor) == 0 else { throw .system("flush the file to disk", path, errno) }
    }
}

/// Flushes a file or folder to disk: `fsync`, or `F_FULLFSYNC` on Darwin, where `fsync` leaves data in the cache of the drive.
/// - Returns: 0, or −1 with `errno` set.
func flushToMedium(_ descriptor: Int32) -> Int32 {
    #if canImport(Darwin)
        if fcntl(descriptor, F_FULLFSYNC) == 0 { return 0 }
    #endif
    return fsync(descriptor)
}
