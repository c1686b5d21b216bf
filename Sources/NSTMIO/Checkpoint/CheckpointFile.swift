internal import CHDF5
import Foundation
import NSTMTensor

/// Writing, reading and examining checkpoint files: HDF5 behind a 512-byte header with a SHA-256 digest.
///
/// All functions block and may be called from any thread; saves of one process take turns. A file that this process has not
/// written is read by a child process, because libhdf5 can crash on files that were made to harm.
public enum CheckpointFile {
    /// What a file holds, without its tensors.
    public struct Info: Sendable {
        public let url: URL
        public let header: CheckpointHeader
        /// When the file was written.
        public let created: Date
        /// JSON texts by name.
        public let documents: [String: String]
        /// Tensors in declared order; `bytes` is the size in memory.
        public let tensors: [(path: String, shape: Shape, dtype: DType, bytes: Int)]
        /// Lists of 64-bit integers in declared order.
        public let integers: [(path: String, count: Int)]
    }

    package static let hdf5Signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]

    /// Saves an archive, durably and atomically: until the new file is complete, verified and on the medium, the old file of
    /// that name stays; afterwards the new one is there. After an error the old one is unchanged.
    ///
    /// Deletes temporary files that dead processes of this machine left in the folder. Only one process may save under one
    /// name at a time, and only one machine into one folder.
    /// - Throws: `invalidArchive`, `noSpace`, `ioError`, `hdf5` or `verificationFailed`.
    public static func write(_ archive: CheckpointArchive, to url: URL) throws(CheckpointError) {
        let path = url.path
        let issues = archive.issues()
        guard issues.isEmpty else { throw .invalidArchive(path: path, issues: issues) }
        // The lock covers the temporary file too: two threads of one process would choose the same name.
        try HDF5.locked { () throws(CheckpointError) in
            let needed = archive.estimatedFileBytes
            try AtomicSave.checkFreeSpace(needed, for: path)
            do throws(CheckpointError) {
                try AtomicSave.replace(path) { temporary throws(CheckpointError) in
                    try ArchiveWriter.write(archive, to: temporary, for: path)
                    let file = try OpenFile.at(temporary, writable: true)
                    try seal(file)
                    do throws(CheckpointError) {
                        try verify(file, holds: archive)
                    } catch {
                        // The temporary's name would mean nothing to the reader of the message.
                        throw .verificationFailed(path: path, reason: "\(error)")
                    }
                    try file.synchronize()
                }
            } catch {
                guard error.systemCode == ENOSPC || error.systemCode == EDQUOT else { throw error }
                throw .noSpace(path: path, needed: needed, available: (try? AtomicSave.freeSpace(for: path)) ?? 0)
            }
        }
    }

    /// Loads a checkpoint. The digest is verified before libhdf5 sees the file.
    /// - Throws: `notFound`, `notCheckpoint`, `truncated`, `trailingData`, `digestMismatch`, `newerFormat`, `refused`,
    ///   `noMemory`, `ioError` or `hdf5`.
    public static func read(_ url: URL) throws(CheckpointError) -> CheckpointArchive {
        try verified(url) { reader, header throws(CheckpointError) in
            try archive(from: reader, formatVersion: header.formatVersion, path: url.path)
        }
    }
    /// What a child process, or whatever else is at the other end of a socket, sends of a file of `fileBytes` bytes.
    package static func archive(from stream: ArchiveStream, fileBytes: Int) throws(CheckpointError) -> CheckpointArchive {
        try archive(
            from: try ArchiveReader.open(stream, fileBytes: fileBytes), formatVersion: CheckpointHeader.currentVersion,
            path: stream.path)
    }
    private static func archive(
        from reader: ArchiveReader, formatVersion: Int, path: String
    ) throws(CheckpointError) -> CheckpointArchive {
        try CheckpointError.checkMemory(reader.byteCount, for: path)
        var archive = CheckpointArchive()
        archive.source = path
        archive.documents = present(try reader.allDocuments(), formatVersion)
        for entry in reader.tensors { archive[tensor: present(entry.path, formatVersion)] = try reader.tensor(entry) }
        for entry in reader.integers { archive[integers: entry.path] = try reader.values(entry) }
        return archive
    }

    /// Verifies a checkpoint's digest and structure, and lists what it holds without loading tensors.
    /// - Throws: as `read`.
    public static func info(_ url: URL) throws(CheckpointError) -> Info {
        try verified(url) { reader, header throws(CheckpointError) in
            let documents = present(try reader.allDocuments(), header.formatVersion)
            var tensors: [(path: String, shape: Shape, dtype: DType, bytes: Int)] = []
            for entry in reader.tensors {
                if case .tensor(let dtype) = entry.type {
                    tensors.append((present(entry.path, header.formatVersion), entry.shape, dtype, entry.byteCount))
                }
            }
            return Info(
                url: url, header: header, created: reader.created, documents: documents, tensors: tensors,
                integers: reader.integers.map { ($0.path, $0.shape.count) })
        }
    }

    /// Documents of a file of an older format with today's names.
    private static func present(_ documents: [String: String], _ formatVersion: Int) -> [String: String] {
        formatVersion == 1 ? FormatVersion1.documents(documents) : documents
    }
    /// A tensor's path in a file of an older format with today's name.
    private static func present(_ path: String, _ formatVersion: Int) -> String {
        formatVersion == 1 ? FormatVersion1.tensorPath(path) : path
    }

    /// Opens a file, verifies it, and works on it. libhdf5 asks for the name of what it opens, which a file that was replaced
    /// since has lost: then the new one is taken.
    private static func verified<Result>(
        _ url: URL, _ body: (ArchiveReader, CheckpointHeader) throws(CheckpointError) -> Result
    ) throws(CheckpointError) -> Result {
        for _ in 0..<100 {
            let file = try OpenFile.at(url.path)
            let header = try CheckpointHeader(verifying: file)
            do throws(CheckpointError) {
                let own = try HDF5.locked { () throws(CheckpointError) -> Result? in
                    guard WrittenFiles.contains(header.payloadDigest) else { return nil }
                    return try body(try ArchiveReader.open(file, isOwn: true), header)
                }
                if let own { return own }
                return try body(try ArchiveReader.open(file, isOwn: false), header)
            } catch {
                guard try file.status().st_nlink == 0 else { throw error }
            }
        }
        throw .ioError(
            path: url.path, operation: "read the file", code: EBUSY, text: "it was replaced 100 times while it was being read")
    }

    /// Computes the digest of everything after the header, and writes the header.
    static func seal(_ file: borrowing OpenFile) throws(CheckpointError) {
        let payload = try file.byteCount() - CheckpointHeader.byteCount
        let digest = try file.sha256(from: CheckpointHeader.byteCount)
        try file.write(CheckpointHeader(payloadBytes: payload, payloadDigest: digest).encoded, at: 0)
    }
    /// Makes a checkpoint of an HDF5 file with a user block of 512 bytes that something else wrote.
    package static func seal(_ url: URL) throws(CheckpointError) {
        let file = try OpenFile.at(url.path, writable: true)
        try seal(file)
        try file.synchronize()
    }

    /// Reads a file just written back through every check that a later reader makes, and compares all of it.
    private static func verify(_ file: borrowing OpenFile, holds archive: CheckpointArchive) throws(CheckpointError) {
        let path = file.path
        func demand(_ holds: Bool, _ reason: String) throws(CheckpointError) {
            if !holds { throw .verificationFailed(path: path, reason: reason) }
        }
        let digest = try CheckpointHeader(verifying: file).payloadDigest
        let reader = try ArchiveReader.open(file, isOwn: true)
        try demand(try reader.allDocuments() == archive.documents, "the documents differ")
        try demand(reader.tensors.map(\.path) == archive.tensors.map(\.path), "the tensors' paths differ")
        try demand(reader.integers.map(\.path) == archive.integers.map(\.path), "the integers' paths differ")
        for (entry, original) in zip(reader.tensors, archive.tensors) {
            let stored = try reader.tensor(entry)
            let isSameKind = stored.shape == original.tensor.shape && stored.dtype == original.tensor.dtype
            let isSame =
                isSameKind
                && stored.withBytes { a in
                    // Bytes, not values: NaN has to equal itself, and −0 not 0.
                    original.tensor.withBytes { b in memcmp(a.baseAddress!, b.baseAddress!, a.count) == 0 }
                }
            try demand(isSame, "the tensor '\(entry.path)' differs")
        }
        for (entry, original) in zip(reader.integers, archive.integers) {
            try demand(try reader.values(entry) == original.values, "the integers '\(entry.path)' differ")
        }
        WrittenFiles.insert(digest)
    }
}

extension CheckpointArchive {
    /// About how many bytes the file will take, rather somewhat too many than too few.
    package var estimatedFileBytes: Int {
        let tensors = tensors.map { (path: $0.path, dims: $0.tensor.shape.dims, bytes: $0.tensor.dtype.byteCount) }
        let lists = integers.map { (path: $0.path, dims: [$0.values.count], bytes: 8) }
        let texts = documents.map { (path: "\(CheckpointLimits.documentGroup)/\($0.key)", dims: [$0.value.utf8.count], bytes: 1) }
        // Members of each group.
        var groups: [Substring: Set<Substring>] = [:], total = CheckpointHeader.byteCount + 4096
        for (path, dims, bytes) in tensors + lists + texts {
            // The object's header, and its entry in the group's table of names, which grows by doubling.
            total += 300 + 2 * (path.utf8.count + 24)
            var parent = Substring()
            for end in path.indices.filter({ path[$0] == "/" }) + [path.endIndex] {
                groups[parent, default: []].insert(path[..<end])
                parent = path[..<end]
            }
            if dims.contains(0) { continue }
            // Chunks are written whole, with a checksum and an entry in an index.
            let chunk = ArchiveWriter.chunk(dims, elementBytes: bytes)
            let count = zip(dims, chunk).map { ($0 + $1 - 1) / $1 }.saturatedProduct
            total += count * (chunk.reduce(bytes, *) + 32)
        }
        // More than eight members are kept in a heap of their own.
        return total + groups.values.reduce(0) { $0 + ($1.count > 8 ? 2560 : 350) }
    }
}
