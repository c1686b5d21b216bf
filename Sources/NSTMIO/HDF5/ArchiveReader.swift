internal import CHDF5
import Foundation
import NSTMTensor

/// Reads the HDF5 part of a checkpoint whose digest has been verified.
///
/// A digest shows that a file is undamaged, not that its author meant well, so nothing here is taken on trust: the file is
/// walked once, and everything that a checkpoint never holds is refused before memory is taken for it.
struct ArchiveReader: ~Copyable {
    /// One dataset of the file, examined but not loaded.
    struct Entry {
        let path: String
        let type: StoredType
        let shape: Shape
        /// Place among the tensors or among the integers, as declared.
        let order: Int

        var byteCount: Int { shape.count * type.byteCount }
    }

    private let file: HDF5Handle
    private let types: HDF5Types
    private let path: String
    private let fileBytes: Int
    /// When the file was written, in UTC.
    let created: Date
    /// In declared order.
    private(set) var tensors: [Entry] = []
    /// In declared order.
    private(set) var integers: [Entry] = []
    /// Sorted by path.
    private(set) var documents: [Entry] = []

    /// Bytes in memory of all that can be loaded; `Int.max` for more than a number can say.
    var byteCount: Int { (tensors + integers + documents).map(\.byteCount).saturatedSum }

    private var objectCount = 0
    private var storedBytes = 0

    private init(file: consuming HDF5Handle, types: consuming HDF5Types, path: String, fileBytes: Int, created: Date) {
        self.file = file
        self.types = types
        self.path = path
        self.fileBytes = fileBytes
        self.created = created
    }

    /// - Parameter verified: the file whose digest was computed. libhdf5 opens it by its descriptor, not by its path, where a
    ///   new checkpoint may have taken its place.
    static func open(_ verified: borrowing OpenFile) throws(CheckpointError) -> ArchiveReader {
        let path = verified.path
        let fileBytes = try verified.byteCount()
        // Elsewhere libhdf5 would go on looking for the signature at 1024, 2048 and so on.
        guard try verified.bytes(at: CheckpointHeader.byteCount, count: 8) == CheckpointFile.hdf5Signature else {
            throw .refused(path: path, object: "/", reason: "no HDF5 signature after the header")
        }
        let types = try HDF5Types.make(path)
        let access = try HDF5Handle.fileAccess(path)
        let file = try HDF5Handle(
            H5Fopen(name(of: verified), nstm_H5F_ACC_RDONLY(), access.id), H5Fclose, "open the file", path)

        var descriptor: UnsafeMutableRawPointer?
        try HDF5.check(H5Fget_vfd_handle(file.id, access.id, &descriptor), "examine the file", path)
        var opened = stat()
        guard let descriptor, fstat(descriptor.load(as: Int32.self), &opened) == 0 else {
            throw .system("examine the file", path, errno)
        }
        let checked = try verified.status()
        guard opened.st_dev == checked.st_dev, opened.st_ino == checked.st_ino, opened.st_size == checked.st_size else {
            throw .refused(path: path, object: "/", reason: "the file was changed while it was being read")
        }
        let created = try creationDate(file.id, path)
        var reader = ArchiveReader(file: file, types: types, path: path, fileBytes: fileBytes, created: created)
        try reader.walk()
        return reader
    }

    /// The name under which libhdf5 opens an open file.
    static func name(of file: borrowing OpenFile) -> String { "/dev/fd/\(file.descriptor)" }

    consuming func close() throws(CheckpointError) { try file.close("close the file", path) }

    private mutating func walk() throws(CheckpointError) {
        let root = try HDF5Handle(H5Oopen(file.id, "/", HDF5.defaults), H5Oclose, "open the root group", path)
        try walk(root.id, [])
        try ArchiveReader.sort(&tensors, path)
        try ArchiveReader.sort(&integers, path)
        documents.sort { $0.path < $1.path }
    }

    // MARK: Contents

    /// Loads a tensor.
    func tensor(_ entry: Entry) throws(CheckpointError) -> Tensor {
        guard case .tensor(let dtype) = entry.type else { throw refuse(entry.path, "not a tensor") }
        let tensor = Tensor(uninitialized: entry.shape, dtype)
        try read(entry, into: tensor.uninitializedPointer)
        if dtype == .bool {
            // Any other bit pattern in a Swift Bool is undefined behavior.
            let bytes = UnsafeRawBufferPointer(start: tensor.constantBase, count: entry.byteCount)
            guard bytes.allSatisfy({ $0 <= 1 }) else { throw refuse(entry.path, "a boolean that is neither 0 nor 1") }
        }
        return tensor
    }
    /// Loads a list of integers.
    func values(_ entry: Entry) throws(CheckpointError) -> [Int64] {
        var values = [Int64](repeating: 0, count: entry.shape.count)
        try read(entry, into: &values)
        return values
    }
    /// Loads a document. Its name is the last part of the path.
    func document(_ entry: Entry) throws(CheckpointError) -> (name: String, text: String) {
        var bytes = [UInt8](repeating: 0, count: entry.shape.count)
        try read(entry, into: &bytes)
        guard let text = String(validating: bytes, as: UTF8.self) else { throw refuse(entry.path, "not UTF-8") }
        return (String(entry.path.dropFirst(CheckpointLimits.documentGroup.count + 1)), text)
    }
    /// Loads all documents.
    func allDocuments() throws(CheckpointError) -> [String: String] {
        var texts: [String: String] = [:]
        for entry in documents {
            let (name, text) = try document(entry)
            texts[name] = text
        }
        return texts
    }

    private func read(_ entry: Entry, into memory: UnsafeMutableRawPointer) throws(CheckpointError) {
        if entry.shape.isEmpty { return }
        let operation = "read '\(entry.path)'"
        let dataset = try HDF5Handle(H5Dopen2(file.id, entry.path, HDF5.defaults), H5Dclose, operation, path)
        try HDF5.check(
            H5Dread(dataset.id, types.memory(entry.type), HDF5.wholeExtent, HDF5.wholeExtent, HDF5.defaults, memory),
            operation, path)
    }

    // MARK: Examination

    private func refuse(_ object: String, _ reason: String) -> CheckpointError {
        .refused(path: path, object: object, reason: reason)
    }

    private mutating func walk(_ group: hid_t, _ names: [String]) throws(CheckpointError) {
        let here = names.isEmpty ? "/" : names.joined(separator: "/")
        var info = H5G_info_t()
        try HDF5.check(H5Gget_info(group, &info), "examine '\(here)'", path)
        guard info.nlinks <= CheckpointLimits.objects else { throw refuse(here, "\(info.nlinks) links") }
        for index in 0..<info.nlinks {
            let name = try linkName(group, index, here)
            let full = (names + [name]).joined(separator: "/")
            objectCount += 1
            guard objectCount <= CheckpointLimits.objects else {
                throw refuse(full, "more than \(CheckpointLimits.objects) objects")
            }
            let isHard = nstm_H5Lis_hard(group, name)
            try HDF5.check(isHard, "examine '\(full)'", path)
            guard isHard == 1 else { throw refuse(full, "a soft, external or user-defined link") }
            let object = try HDF5Handle(H5Oopen(group, name, HDF5.defaults), H5Oclose, "open '\(full)'", path)
            let references = nstm_H5Oreference_count(object.id)
            try HDF5.check(references, "examine '\(full)'", path)
            guard references == 1 else { throw refuse(full, "an object with \(references) names") }
            switch H5Iget_type(object.id) {
            case H5I_GROUP:
                guard names.count + 1 < CheckpointLimits.depth else {
                    throw refuse(full, "groups nested deeper than \(CheckpointLimits.depth)")
                }
                try walk(object.id, names + [name])
            case H5I_DATASET: try examine(object.id, full, parent: names)
            default: throw refuse(full, "neither a group nor a dataset")
            }
        }
    }

    private func linkName(_ group: hid_t, _ index: hsize_t, _ here: String) throws(CheckpointError) -> String {
        // One byte more than a valid name and its end, so that a longer one shows.
        var buffer = [CChar](repeating: 0, count: CheckpointLimits.nameBytes + 2)
        let length = H5Lget_name_by_idx(
            group, ".", H5_INDEX_NAME, H5_ITER_NATIVE, index, &buffer, buffer.count, HDF5.defaults)
        try HDF5.check(length, "list '\(here)'", path)
        let name = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard length == name.utf8.count, CheckpointLimits.isValid(name: name) else {
            throw refuse(here, "a link with the invalid name '\(name)'")
        }
        return name
    }

    private mutating func examine(_ dataset: hid_t, _ name: String, parent: [String]) throws(CheckpointError) {
        let operation = "examine '\(name)'"
        // The layout comes first: looking at the extent of a virtual dataset would open other files.
        let creation = try HDF5Handle(H5Dget_create_plist(dataset), H5Pclose, operation, path)
        let layout = H5Pget_layout(creation.id)
        guard layout == H5D_CHUNKED || layout == H5D_COMPACT || layout == H5D_CONTIGUOUS else {
            throw refuse(name, "a virtual or unknown layout")
        }
        let external = H5Pget_external_count(creation.id)
        try HDF5.check(external, operation, path)
        guard external == 0 else { throw refuse(name, "data in other files") }
        let isDeflated = try examineFilters(creation.id, name)

        let fileType = try HDF5Handle(H5Dget_type(dataset), H5Tclose, operation, path)
        guard let type = types.stored(fileType.id) else { throw refuse(name, "an element type that checkpoints do not use") }
        let dims = try extent(dataset, name)
        guard let shape = CheckpointLimits.shape(dims) else { throw refuse(name, "the shape \(dims)") }
        let (declared, overflow) = dims.reduce((type.byteCount, false)) { total, size in
            let (product, overflow) = total.0.multipliedReportingOverflow(by: size)
            return (product, overflow || total.1)
        }
        guard !overflow else { throw refuse(name, "the shape \(dims)") }
        guard layout != H5D_CONTIGUOUS || declared == 0 else { throw refuse(name, "data without a checksum") }
        if layout == H5D_CHUNKED { try examineChunk(creation.id, dims.count, type.byteCount, name) }

        let stored = H5Dget_storage_size(dataset)
        guard stored <= fileBytes - storedBytes else { throw refuse(name, "\(stored) stored bytes in a file of \(fileBytes)") }
        storedBytes += Int(stored)
        let most = Int(stored).multipliedReportingOverflow(by: isDeflated ? CheckpointLimits.deflateRatio : 1)
        guard most.overflow || declared <= most.partialValue else {
            throw refuse(name, "\(declared) bytes declared, \(stored) stored")
        }

        if parent.first == CheckpointLimits.documentGroup {
            guard type == .tensor(.uint8), dims.count == 1, parent.count == 1, declared <= CheckpointLimits.documentBytes else {
                throw refuse(name, "not a document")
            }
            documents.append(Entry(path: name, type: type, shape: shape, order: 0))
            return
        }
        let entry = Entry(path: name, type: type, shape: shape, order: try order(dataset, name))
        if type == .integers {
            guard dims.count == 1 else { throw refuse(name, "64-bit integers of rank \(dims.count)") }
            integers.append(entry)
        } else {
            tensors.append(entry)
        }
    }

    /// Whether deflate is among the filters, which are all known ones.
    private func examineFilters(_ creation: hid_t, _ name: String) throws(CheckpointError) -> Bool {
        let count = H5Pget_nfilters(creation)
        try HDF5.check(count, "examine '\(name)'", path)
        var isDeflated = false
        for index in 0..<UInt32(count) {
            var flags: UInt32 = 0, configuration: UInt32 = 0, parameters = 0
            let filter = H5Pget_filter2(creation, index, &flags, &parameters, nil, 0, nil, &configuration)
            guard [H5Z_FILTER_DEFLATE, H5Z_FILTER_SHUFFLE, H5Z_FILTER_FLETCHER32].contains(filter) else {
                throw refuse(name, "the filter \(filter)")
            }
            isDeflated = isDeflated || filter == H5Z_FILTER_DEFLATE
        }
        return isDeflated
    }

    private func extent(_ dataset: hid_t, _ name: String) throws(CheckpointError) -> [Int] {
        let operation = "examine '\(name)'"
        let space = try HDF5Handle(H5Dget_space(dataset), H5Sclose, operation, path)
        let kind = H5Sget_simple_extent_type(space.id)
        guard kind == H5S_SIMPLE || kind == H5S_SCALAR else { throw refuse(name, "a dataset without a shape") }
        let rank = H5Sget_simple_extent_ndims(space.id)
        try HDF5.check(rank, operation, path)
        guard rank <= Shape.maximumRank else { throw refuse(name, "\(rank) axes") }
        var sizes = [hsize_t](repeating: 0, count: Shape.maximumRank)
        try HDF5.check(H5Sget_simple_extent_dims(space.id, &sizes, nil), operation, path)
        return sizes.prefix(Int(rank)).map { Int(clamping: $0) }
    }

    /// libhdf5 takes memory for whole chunks, however small the dataset is.
    private func examineChunk(_ creation: hid_t, _ rank: Int, _ elementBytes: Int, _ name: String) throws(CheckpointError) {
        var sizes = [hsize_t](repeating: 0, count: Shape.maximumRank)
        let chunkRank = H5Pget_chunk(creation, Int32(sizes.count), &sizes)
        try HDF5.check(chunkRank, "examine '\(name)'", path)
        var bytes = elementBytes
        for size in sizes.prefix(rank) {
            guard size > 0, size <= CheckpointLimits.chunkBytes / bytes else {
                throw refuse(name, "chunks \(sizes.prefix(rank))")
            }
            bytes *= Int(size)
        }
        guard chunkRank == rank else { throw refuse(name, "chunks of rank \(chunkRank) for a dataset of rank \(rank)") }
    }

    private func order(_ dataset: hid_t, _ name: String) throws(CheckpointError) -> Int {
        let operation = "read the attribute 'order' of '\(name)'"
        guard H5Aexists(dataset, "order") > 0 else { throw refuse(name, "no attribute 'order'") }
        let attribute = try HDF5Handle(H5Aopen(dataset, "order", HDF5.defaults), H5Aclose, operation, path)
        let type = try HDF5Handle(H5Aget_type(attribute.id), H5Tclose, operation, path)
        let space = try HDF5Handle(H5Aget_space(attribute.id), H5Sclose, operation, path)
        guard types.stored(type.id) == .integers, H5Sget_simple_extent_type(space.id) == H5S_SCALAR else {
            throw refuse(name, "the attribute 'order' is not a 64-bit integer")
        }
        var value: Int64 = -1
        try HDF5.check(H5Aread(attribute.id, nstm_H5T_NATIVE_INT64(), &value), operation, path)
        return Int(value)
    }

    private static func sort(_ entries: inout [Entry], _ path: String) throws(CheckpointError) {
        entries.sort { $0.order < $1.order }
        for (position, entry) in entries.enumerated() where entry.order != position {
            throw .refused(path: path, object: entry.path, reason: "place \(entry.order) in the order, expected \(position)")
        }
    }

    private static func creationDate(_ file: hid_t, _ path: String) throws(CheckpointError) -> Date {
        let name = "created_utc", operation = "read the attribute 'created_utc'"
        guard H5Aexists(file, name) > 0 else { throw .refused(path: path, object: "/", reason: "no attribute '\(name)'") }
        let attribute = try HDF5Handle(H5Aopen(file, name, HDF5.defaults), H5Aclose, operation, path)
        let type = try HDF5Handle(H5Aget_type(attribute.id), H5Tclose, operation, path)
        let space = try HDF5Handle(H5Aget_space(attribute.id), H5Sclose, operation, path)
        let size = H5Tget_size(type.id)
        let expected = try HDF5Handle.text(byteCount: size, path)
        let isScalar = H5Sget_simple_extent_type(space.id) == H5S_SCALAR
        guard size > 0, size <= 64, isScalar, H5Tequal(type.id, expected.id) > 0 else {
            throw .refused(path: path, object: "/", reason: "the attribute '\(name)' is not a short text")
        }
        var bytes = [UInt8](repeating: 0, count: size)
        try HDF5.check(H5Aread(attribute.id, expected.id, &bytes), operation, path)
        let text = String(decoding: bytes, as: UTF8.self)
        guard let date = try? Date(text, strategy: .iso8601) else {
            throw .refused(path: path, object: "/", reason: "'\(text)' is not a date")
        }
        return date
    }
}
