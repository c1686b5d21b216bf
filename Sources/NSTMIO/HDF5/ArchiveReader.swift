internal import CHDF5
import Foundation
import NSTMTensor

/// A reader of the HDF5 data of a checkpoint with a verified digest, from the stream of what libhdf5 finds in it.
///
/// A digest shows that a file is undamaged, not that it is benign, so the content is not trusted: the file is traversed once, and
/// any object that is not part of a valid checkpoint is an error before memory is allocated for it.
struct ArchiveReader {
    /// A dataset of the file that has been checked but not loaded.
    struct Entry {
        let path: String
        let type: StoredType
        let shape: Shape
        /// Index among the tensors or among the lists of integers, as declared.
        let order: Int

        var byteCount: Int { shape.count * type.byteCount }
    }

    private let stream: ArchiveStream
    private let fileBytes: Int
    /// Time when the file was written.
    let created: Date
    /// Tensors, in declared order.
    private(set) var tensors: [Entry] = []
    /// Lists of integers, in declared order.
    private(set) var integers: [Entry] = []
    /// Documents, sorted by path.
    private(set) var documents: [Entry] = []

    /// Memory for loading everything, in bytes, including a copy of the largest dataset in the child process; saturates at
    /// `Int.max`.
    var byteCount: Int {
        let sizes = (tensors + integers + documents).map(\.byteCount)
        return (sizes + [sizes.max() ?? 0]).saturatedSum
    }

    private var paths: Set<String> = []
    private var storedBytes = 0

    private var path: String { stream.path }

    private init(stream: ArchiveStream, fileBytes: Int, created: Date) {
        self.stream = stream
        self.fileBytes = fileBytes
        self.created = created
    }

    /// A reader of a file.
    /// - Parameters:
    ///   - verified: the file whose digest was verified. libhdf5 opens it by its descriptor rather than its path, at which a new
    ///     checkpoint may have been saved since.
    ///   - isOwn: whether this process has written the file. Then the reader must be used only inside `HDF5.locked`.
    static func open(_ verified: borrowing OpenFile, isOwn: Bool) throws(CheckpointError) -> ArchiveReader {
        let fileBytes = try verified.byteCount()
        // libhdf5 alone would also accept a signature at 1024, 2048 and so on.
        guard try verified.bytes(at: CheckpointFile.Header.byteCount, count: 8) == CheckpointFile.hdf5Signature else {
            throw .refused(path: verified.path, object: "/", reason: "no HDF5 signature after the header")
        }
        let stream = isOwn ? try ArchiveStream(own: verified) : try ArchiveStream.start(verified)
        return try open(stream, fileBytes: fileBytes)
    }
    /// A reader of the stream that describes a file.
    /// - Parameter fileBytes: size of the file, which limits the sizes of its datasets.
    static func open(_ stream: ArchiveStream, fileBytes: Int) throws(CheckpointError) -> ArchiveReader {
        try stream.answer("open the file")
        try stream.answer("examine the file")
        guard try stream.flag() else {
            throw .refused(path: stream.path, object: "/", reason: "the file was changed while it was being read")
        }
        let created = try creationDate(stream)
        var reader = ArchiveReader(stream: stream, fileBytes: fileBytes, created: created)
        try stream.answer("open the root group")
        try reader.walk([])
        try ArchiveReader.sort(&reader.tensors, stream.path)
        try ArchiveReader.sort(&reader.integers, stream.path)
        reader.documents.sort { $0.path < $1.path }
        return reader
    }

    // MARK: Contents

    /// The tensor of an entry.
    func tensor(_ entry: Entry) throws(CheckpointError) -> Tensor {
        guard case .tensor(let dtype) = entry.type else { throw refuse(entry.path, "not a tensor") }
        let tensor = Tensor(uninitialized: entry.shape, dtype)
        try read(entry, into: tensor.uninitializedPointer)
        if dtype == .bool {
            // Any other bit pattern in a Swift Bool is undefined behavior.
            let bytes = UnsafeRawBufferPointer(start: tensor.pointer, count: entry.byteCount)
            guard bytes.allSatisfy({ $0 <= 1 }) else { throw refuse(entry.path, "a boolean that is neither 0 nor 1") }
        }
        return tensor
    }
    /// The list of integers of an entry.
    func values(_ entry: Entry) throws(CheckpointError) -> [Int64] {
        var values = [Int64](repeating: 0, count: entry.shape.count)
        try read(entry, into: &values)
        return values
    }
    /// The document of an entry.
    ///
    /// Its name is the last component of the path.
    func document(_ entry: Entry) throws(CheckpointError) -> (name: String, text: String) {
        var bytes = [UInt8](repeating: 0, count: entry.shape.count)
        try read(entry, into: &bytes)
        guard let text = String(validating: bytes, as: UTF8.self) else { throw refuse(entry.path, "not UTF-8") }
        return (String(entry.path.dropFirst(CheckpointLimits.documentGroup.count + 1)), text)
    }
    /// All documents, by name.
    func allDocuments() throws(CheckpointError) -> [String: String] {
        try CheckpointError.checkMemory(documents.map(\.byteCount).saturatedSum, for: path)
        var texts: [String: String] = [:]
        for entry in documents {
            let (name, text) = try document(entry)
            texts[name] = text
        }
        return texts
    }

    private func read(_ entry: Entry, into memory: UnsafeMutableRawPointer) throws(CheckpointError) {
        if entry.shape.isEmpty { return }
        try stream.elements(
            of: entry.path, entry.type, into: UnsafeMutableRawBufferPointer(start: memory, count: entry.byteCount))
    }

    // MARK: Examination

    private func refuse(_ object: String, _ reason: String) -> CheckpointError {
        .refused(path: path, object: object, reason: reason)
    }

    private mutating func walk(_ names: [String]) throws(CheckpointError) {
        let here = names.isEmpty ? "/" : names.joined(separator: "/")
        try stream.answer("examine '\(here)'")
        let links = try stream.number()
        guard links <= CheckpointLimits.objects else { throw refuse(here, "\(links) links") }
        for _ in 0..<links {
            let name = try linkName(here)
            let full = (names + [name]).joined(separator: "/")
            guard paths.insert(full).inserted else { throw refuse(full, "a name that is used twice") }
            guard paths.count <= CheckpointLimits.objects else {
                throw refuse(full, "more than \(CheckpointLimits.objects) objects")
            }
            try stream.answer("examine '\(full)'")
            guard try stream.flag() else { throw refuse(full, "a soft, external or user-defined link") }
            try stream.answer("open '\(full)'")
            try stream.answer("examine '\(full)'")
            let references = try stream.integer()
            guard references == 1 else { throw refuse(full, "an object with \(references) names") }
            switch try stream.count(most: 2) {
            case 0:
                guard names.count + 1 < CheckpointLimits.depth else {
                    throw refuse(full, "groups nested deeper than \(CheckpointLimits.depth)")
                }
                try walk(names + [name])
            case 1: try examine(full, parent: names)
            default: throw refuse(full, "neither a group nor a dataset")
            }
        }
    }

    private func linkName(_ here: String) throws(CheckpointError) -> String {
        try stream.answer("list '\(here)'")
        // The stream truncates a name that is longer than the limit.
        let length = try stream.number(), bytes = try stream.text(most: CheckpointLimits.nameBytes + 1)
        let name = String(decoding: bytes, as: UTF8.self)
        guard length == name.utf8.count, CheckpointLimits.isValid(name: name) else {
            throw refuse(here, "a link with the invalid name '\(name)'")
        }
        return name
    }

    private mutating func examine(_ name: String, parent: [String]) throws(CheckpointError) {
        let operation = "examine '\(name)'"
        try stream.answer(operation)
        let layout = H5D_layout_t(rawValue: Int32(truncatingIfNeeded: try stream.integer()))
        guard layout == H5D_CHUNKED || layout == H5D_COMPACT || layout == H5D_CONTIGUOUS else {
            throw refuse(name, "a virtual or unknown layout")
        }
        try stream.answer(operation)
        guard try stream.number() == 0 else { throw refuse(name, "data in other files") }
        let isDeflated = try examineFilters(name)

        try stream.answer(operation)
        let index = try stream.number()
        guard index < StoredType.all.count else { throw refuse(name, "an element type that checkpoints do not use") }
        let type = StoredType.all[Int(index)]
        let dims = try extent(name)
        guard let shape = CheckpointLimits.shape(dims) else { throw refuse(name, "the shape \(dims)") }
        let (declared, overflow) = dims.reduce((type.byteCount, false)) { total, size in
            let (product, overflow) = total.0.multipliedReportingOverflow(by: size)
            return (product, overflow || total.1)
        }
        guard !overflow else { throw refuse(name, "the shape \(dims)") }
        guard layout != H5D_CONTIGUOUS || declared == 0 else { throw refuse(name, "data without a checksum") }
        if layout == H5D_CHUNKED { try examineChunk(dims.count, type.byteCount, name) }

        let stored = try stream.number()
        guard stored <= fileBytes - storedBytes else { throw refuse(name, "\(stored) stored bytes in a file of \(fileBytes)") }
        storedBytes += Int(stored)
        let most = Int(stored).multipliedReportingOverflow(by: isDeflated ? CheckpointLimits.deflateRatio : 1)
        guard most.overflow || declared <= most.partialValue else {
            throw refuse(name, "\(declared) bytes declared, \(stored) stored")
        }

        let order = try order(name)
        if parent.first == CheckpointLimits.documentGroup {
            guard type == .tensor(.uint8), dims.count == 1, parent.count == 1, declared <= CheckpointLimits.documentBytes else {
                throw refuse(name, "not a document")
            }
            documents.append(Entry(path: name, type: type, shape: shape, order: 0))
            return
        }
        guard let order else { throw refuse(name, "no attribute 'order'") }
        let entry = Entry(path: name, type: type, shape: shape, order: order)
        if type == .integers {
            guard dims.count == 1 else { throw refuse(name, "64-bit integers of rank \(dims.count)") }
            integers.append(entry)
        } else {
            tensors.append(entry)
        }
    }

    /// Whether deflate is among the filters of a dataset.
    /// - Throws: `refused` for unknown filters.
    private func examineFilters(_ name: String) throws(CheckpointError) -> Bool {
        try stream.answer("examine '\(name)'")
        var isDeflated = false
        for _ in 0..<(try stream.count(most: CheckpointLimits.filters)) {
            let filter = try stream.integer()
            guard [H5Z_FILTER_DEFLATE, H5Z_FILTER_SHUFFLE, H5Z_FILTER_FLETCHER32].contains(where: { $0 == filter }) else {
                throw refuse(name, "the filter \(filter)")
            }
            isDeflated = isDeflated || filter == H5Z_FILTER_DEFLATE
        }
        return isDeflated
    }

    private func extent(_ name: String) throws(CheckpointError) -> [Int] {
        let operation = "examine '\(name)'"
        try stream.answer(operation)
        let kind = H5S_class_t(rawValue: Int32(truncatingIfNeeded: try stream.integer()))
        guard kind == H5S_SIMPLE || kind == H5S_SCALAR else { throw refuse(name, "a dataset without a shape") }
        try stream.answer(operation)
        let rank = try stream.number()
        guard rank <= Shape.maximumRank else { throw refuse(name, "\(rank) axes") }
        try stream.answer(operation)
        var sizes: [Int] = []
        for _ in 0..<rank { sizes.append(Int(clamping: try stream.number())) }
        return sizes
    }

    /// Checks the size of the chunks, because libhdf5 allocates memory for whole chunks even if the dataset is small.
    private func examineChunk(_ rank: Int, _ elementBytes: Int, _ name: String) throws(CheckpointError) {
        try stream.answer("examine '\(name)'")
        let chunkRank = try stream.integer()
        var sizes: [UInt64] = []
        for _ in 0..<Shape.maximumRank { sizes.append(try stream.number()) }
        var bytes = elementBytes
        for size in sizes.prefix(rank) {
            guard size > 0, size <= CheckpointLimits.chunkBytes / bytes else {
                throw refuse(name, "chunks \(sizes.prefix(rank))")
            }
            bytes *= Int(size)
        }
        guard chunkRank == rank else { throw refuse(name, "chunks of rank \(chunkRank) for a dataset of rank \(rank)") }
    }

    /// The attribute `order` of a dataset; nil without it.
    private func order(_ name: String) throws(CheckpointError) -> Int? {
        let operation = "read the attribute 'order' of '\(name)'"
        guard try stream.flag() else { return nil }
        try stream.answer(operation)
        guard try stream.flag() else { throw refuse(name, "the attribute 'order' is not a 64-bit integer") }
        try stream.answer(operation)
        return Int(try stream.integer())
    }

    private static func sort(_ entries: inout [Entry], _ path: String) throws(CheckpointError) {
        entries.sort { $0.order < $1.order }
        for (position, entry) in entries.enumerated() where entry.order != position {
            throw .refused(
                path: path, object: entry.path, reason: "the attribute 'order' is \(entry.order), expected \(position)")
        }
    }

    private static func creationDate(_ stream: ArchiveStream) throws(CheckpointError) -> Date {
        let path = stream.path, name = "created_utc", operation = "read the attribute 'created_utc'"
        guard try stream.flag() else { throw .refused(path: path, object: "/", reason: "no attribute '\(name)'") }
        try stream.answer(operation)
        guard try stream.flag() else {
            throw .refused(path: path, object: "/", reason: "the attribute '\(name)' is not a short text")
        }
        try stream.answer(operation)
        let bytes = try stream.text(most: 64)
        let text = String(decoding: bytes, as: UTF8.self)
        guard let date = try? Date(text, strategy: .iso8601) else {
            throw .refused(path: path, object: "/", reason: "'\(text)' is not a date")
        }
        return date
    }
}
