import Foundation
import NSTMSystem
import NSTMTensor

/// An open regular file, closed when it goes out of scope.
struct OpenFile: ~Copyable {
    let descriptor: Int32
    let path: String

    private init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }
    deinit { close(descriptor) }

    /// Opens an existing file. `O_NONBLOCK`, so that a pipe under a checkpoint's name is refused instead of waited for.
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

    /// Makes a file that must not exist yet, for writing.
    static func new(_ path: String) throws(CheckpointError) -> OpenFile {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .system("make the file", path, errno) }
        return OpenFile(descriptor: descriptor, path: path)
    }

    func status() throws(CheckpointError) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("examine the file", path, errno) }
        return status
    }
    func byteCount() throws(CheckpointError) -> Int { Int(try status().st_size) }

    /// Fills a buffer from an offset; less than all only at the end of the file.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(CheckpointError) -> Int {
        var done = 0
        while done < buffer.count {
            let n = pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            if n == 0 { break }
            if n > 0 { done += n } else if errno != EINTR { throw .system("read the file", path, errno) }
        }
        return done
    }
    /// At most `count` bytes from an offset.
    func bytes(at offset: Int, count: Int) throws(CheckpointError) -> [UInt8] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
        defer { buffer.deallocate() }
        return Array(buffer.prefix(try read(into: buffer, at: offset)))
    }
    func write(_ bytes: [UInt8], at offset: Int) throws(CheckpointError) {
        let code = bytes.withUnsafeBytes { put($0, at: offset) }
        if code != 0 { throw .system("write the file", path, code) }
    }
    /// Writes a tensor's elements in row-major order, little-endian as all machines are that this runs on.
    func write(_ tensor: Tensor, at offset: Int) throws(CheckpointError) {
        let code = tensor.withBytes { put($0, at: offset) }
        if code != 0 { throw .system("write the file", path, code) }
    }
    /// - Returns: 0, or the `errno` of what failed.
    private func put(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int32 {
        var done = 0
        while done < bytes.count {
            let n = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            if n > 0 { done += n } else if n == 0 { return ENOSPC } else if errno != EINTR { return errno }
        }
        return 0
    }

    /// SHA-256 of the bytes from an offset to the end, read in pieces of 1 MiB.
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

    /// Waits until the file's contents are on the medium.
    func synchronize() throws(CheckpointError) {
        guard flushToMedium(descriptor) == 0 else { throw .system("flush the file to disk", path, errno) }
    }
}

/// `fsync`; on Darwin that leaves data in the drive's cache, so its stronger form comes first there.
func flushToMedium(_ descriptor: Int32) -> Int32 {
    #if canImport(Darwin)
        if fcntl(descriptor, F_FULLFSYNC) == 0 { return 0 }
    #endif
    return fsync(descriptor)
}
