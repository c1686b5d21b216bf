internal import CHDF5
import Foundation
import NSTMTensor

/// Writing, reading and examining checkpoint files: HDF5 behind a 512-byte header with a SHA-256 digest.
///
/// All functions block and may be called from any thread; saves of one process are serialized. A file that this process has not
/// written is read by a child process, because libhdf5 can crash on malicious files.
public enum CheckpointFile {
    /// The content of a checkpoint without the elements of its tensors.
    public struct Info: Sendable {
        /// Path of the file.
        public let url: URL
        /// Format version, size and digest.
        public let header: Header
        /// Time when the file was written.
        public let created: Date
        /// JSON texts by name.
        public let documents: [String: String]
        /// Tensors in declared order; `bytes` is the size in memory.
        public let tensors: [(path: String, shape: Shape, dtype: DType, bytes: Int)]
        /// Lists of 64-bit integers in declared order, with their lengths.
        public let integers: [(path: String, count: Int)]
    }

    package static let hdf5Signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]

    /// Saves an archive durably and atomically: an existing file of that name is replaced only when the new one is complete,
    /// verified and flushed to disk.
    ///
    /// After an error the old file is unchanged.
    ///
    /// Temporary files that terminated processes of this host left in the folder are deleted. Only one process at a time may save
    /// under a name, and only one host into a folder.
    /// - Throws: `invalidArchive`, `noSpace`, `ioError`, `hdf5` or `verificationFailed`.
    public static func write(_ archive: CheckpointArchive, to url: URL) throws(CheckpointError) {
        let path = url.path
        let issues = archive.issues()
        guard issues.isEmpty else { throw .invalidArchive(path: path, issues: issues) }
        // The lock covers the temporary file too, because two threads of a process would choose the same name for it.
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
                        // The message names the target, because the user does not know the name of the temporary file.
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

    /// Loads a checkpoint.
    ///
    /// The digest is verified before libhdf5 sees the file.
    /// - Throws: `notFound`, `notCheckpoint`, `truncated`, `trailingData`, `digestMismatch`, `newerFormat`, `refused`,
    ///   `noMemory`, `ioError` or `hdf5`.
    public static func read(_ url: URL) throws(CheckpointError) -> CheckpointArchive {
        try verified(url) { reader, header throws(CheckpointError) in
            try archive(from: reader, formatVersion: header.formatVersion, path: url.path)
        }
    }
    /// The archive that is received from a child process, which reads a file of `fileBytes` bytes.
    ///
    /// The data is not trusted.
    package static func archive(from stream: ArchiveStream, fileBytes: Int) throws(CheckpointError) -> CheckpointArchive {
        try archive(
            from: try ArchiveReader.open(stream, fileBytes: fileBytes), formatVersion: Header.currentVersion,
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

    /// The content of a checkpoint without the elements of its tensors.
    ///
    /// Digest and structure are verified.
    /// - Throws: the errors of `read`.
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

    /// Opens and verifies a file and calls `body` with a reader of it.
    ///
    /// libhdf5 opens files by name, so a checkpoint that is replaced between the verification and that call could be read
    /// unverified. The open descriptor prevents that: when its file no longer has a name, everything is repeated with the new
    /// file.
    private static func verified<Result>(
        _ url: URL, _ body: (ArchiveReader, Header) throws(CheckpointError) -> Result
    ) throws(CheckpointError) -> Result {
        for _ in 0..<100 {
            let file = try OpenFile.at(url.path)
            let header = try Header(verifying: file)
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

    /// Writes the header of a file, with the digest of everything after it.
    static func seal(_ file: borrowing OpenFile) throws(CheckpointError) {
        let payload = try file.byteCount() - Header.byteCount
        let digest = try file.sha256(from: Header.byteCount)
        try file.write(Header(payloadBytes: payload, payloadDigest: digest).encoded, at: 0)
    }
    /// Writes the header of an HDF5 file that has a user block of 512 bytes.
    package static func seal(_ url: URL) throws(CheckpointError) {
        let file = try OpenFile.at(url.path, writable: true)
        try seal(file)
        try file.synchronize()
    }

    /// Reads a written file with all checks of a later reader and compares its whole content with the archive.
    /// - Throws: `verificationFailed`, or the errors of `read`.
    private static func verify(_ file: borrowing OpenFile, holds archive: CheckpointArchive) throws(CheckpointError) {
        let path = file.path
        func demand(_ holds: Bool, _ reason: String) throws(CheckpointError) {
            if !holds { throw .verificationFailed(path: path, reason: reason) }
        }
        let digest = try Header(verifying: file).payloadDigest
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
                    // Bytes are compared rather than values: NaN must equal itself, and −0 must differ from 0.
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
    /// Estimated size of the file in bytes, rather too large than too small.
    package var estimatedFileBytes: Int {
        let tensors = tensors.map { (path: $0.path, dims: $0.tensor.shape.dims, bytes: $0.tensor.dtype.byteCount) }
        let lists = integers.map { (path: $0.path, dims: [$0.values.count], bytes: 8) }
        let texts = documents.map { (path: "\(CheckpointLimits.documentGroup)/\($0.key)", dims: [$0.value.utf8.count], bytes: 1) }
        // Distinct members of each group.
        var groups: [Substring: Set<Substring>] = [:], total = CheckpointFile.Header.byteCount + 4096
        for (path, dims, bytes) in tensors + lists + texts {
            // Header of the object, and its entry in the table of names of its group, which grows by doubling.
            total += 300 + 2 * (path.utf8.count + 24)
            var parent = Substring()
            for end in path.indices.filter({ path[$0] == "/" }) + [path.endIndex] {
                groups[parent, default: []].insert(path[..<end])
                parent = path[..<end]
            }
            if dims.contains(0) { continue }
            // Chunks are stored in full size, each with a checksum and an index entry.
            let chunk = ArchiveWriter.chunk(dims, elementBytes: bytes)
            let count = zip(dims, chunk).map { ($0 + $1 - 1) / $1 }.saturatedProduct
            total += count * (chunk.reduce(bytes, *) + 32)
        }
        // A group with more than eight members has a separate heap for them.
        return total + groups.values.reduce(0) { $0 + ($1.count > 8 ? 2560 : 350) }
    }
}
