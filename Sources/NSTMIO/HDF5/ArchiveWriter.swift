internal import CHDF5
import Foundation
import NSTMTensor

/// A writer of the HDF5 data of a checkpoint.
///
/// The user block is left empty for the header.
struct ArchiveWriter: ~Copyable {
    private let file: HDF5Handle
    private let types: HDF5Types
    private let groups: HDF5Handle
    private let path: String
    /// `errno` of the first failed write, which is hidden from libhdf5; see `sticky_driver.h`.
    private let systemError: UnsafeMutablePointer<Int32>

    /// Creates a file at `temporary`, where none may exist.
    /// - Parameter path: the path in error messages.
    static func write(_ archive: CheckpointArchive, to temporary: String, for path: String) throws(CheckpointError) {
        let systemError = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
        systemError.initialize(to: 0)
        defer { systemError.deallocate() }
        try writeAndClose(archive, to: temporary, for: path, systemError)
        // Closing the file writes as well.
        try check(systemError, "finish the file", path)
    }
    private static func writeAndClose(
        _ archive: CheckpointArchive, to temporary: String, for path: String, _ systemError: UnsafeMutablePointer<Int32>
    ) throws(CheckpointError) {
        let writer = try create(temporary, for: path, systemError)
        try writer.write(archive)
        try writer.close()
    }

    private static func check(
        _ systemError: UnsafeMutablePointer<Int32>, _ operation: String, _ path: String
    ) throws(CheckpointError) {
        if systemError.pointee != 0 { throw .system(operation, path, systemError.pointee) }
    }

    private init(
        file: consuming HDF5Handle, types: consuming HDF5Types, groups: consuming HDF5Handle, path: String,
        systemError: UnsafeMutablePointer<Int32>
    ) {
        self.systemError = systemError
        self.file = file
        self.types = types
        self.groups = groups
        self.path = path
    }

    private static func create(
        _ temporary: String, for path: String, _ systemError: UnsafeMutablePointer<Int32>
    ) throws(CheckpointError) -> ArchiveWriter {
        let types = try HDF5Types.make(path)
        let groups = try HDF5Handle(H5Pcreate(nstm_H5P_LINK_CREATE()), H5Pclose, "prepare links", path)
        try HDF5.check(H5Pset_create_intermediate_group(groups.id, 1), "prepare links", path)
        let creation = try HDF5Handle(H5Pcreate(nstm_H5P_FILE_CREATE()), H5Pclose, "prepare the file", path)
        try HDF5.check(H5Pset_userblock(creation.id, hsize_t(CheckpointFile.Header.byteCount)), "prepare the file", path)
        let access = try HDF5Handle.fileAccess(path)
        // In the 1.10 format, all metadata has checksums.
        try HDF5.check(H5Pset_libver_bounds(access.id, H5F_LIBVER_V110, H5F_LIBVER_V110), "prepare the file", path)
        try HDF5.check(HDF5.writeDriver, "register the driver for writing", path)
        try HDF5.check(nstm_H5Pset_sticky_driver(access.id, HDF5.writeDriver, systemError), "prepare the file", path)
        let id = H5Fcreate(temporary, nstm_H5F_ACC_EXCL(), creation.id, access.id)
        try check(systemError, "create the file", path)
        let file = try HDF5Handle(id, H5Fclose, "create the file", path)
        return ArchiveWriter(file: file, types: types, groups: groups, path: path, systemError: systemError)
    }

    /// Closes the file.
    ///
    /// Fails if a handle of the file is still open, because the file is then incomplete.
    private consuming func close() throws(CheckpointError) { try file.close("finish the file", path) }

    private func write(_ archive: CheckpointArchive) throws(CheckpointError) {
        try writeAttribute("format", "NSTM checkpoint")
        try writeAttribute("dims_order", "C")
        try writeAttribute("created_utc", Date.now.formatted(.iso8601))
        try writeAttribute("format_version", Int64(CheckpointFile.Header.currentVersion), on: file.id)
        for (name, text) in archive.documents.sorted(by: { $0.key < $1.key }) {
            let bytes = Array(text.utf8)
            try writeDataset("\(CheckpointLimits.documentGroup)/\(name)", [bytes.count], .tensor(.uint8), order: nil, bytes)
        }
        for (order, entry) in archive.tensors.enumerated() {
            let dense = entry.tensor.contiguous()
            try writeDataset(entry.path, dense.shape.dims, .tensor(dense.dtype), order: order, dense.pointer)
            withExtendedLifetime(dense) {}
        }
        for (order, entry) in archive.integers.enumerated() {
            try writeDataset(entry.path, [entry.values.count], .integers, order: order, entry.values)
        }
    }

    private func writeDataset(
        _ name: String, _ dims: [Int], _ type: StoredType, order: Int?, _ bytes: UnsafeRawPointer
    ) throws(CheckpointError) {
        let operation = "write '\(name)'"
        let isEmpty = dims.contains(0)
        let extent = dims.map { hsize_t($0) }
        let space = try HDF5Handle(
            dims.isEmpty ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(dims.count), extent, nil), H5Sclose, operation, path)
        let creation = try HDF5Handle(H5Pcreate(nstm_H5P_DATASET_CREATE()), H5Pclose, operation, path)
        try HDF5.check(H5Pset_obj_track_times(creation.id, false), operation, path)
        if dims.isEmpty {
            // A scalar cannot be chunked. The compact layout stores it in the object header, which has a checksum.
            try HDF5.check(H5Pset_layout(creation.id, H5D_COMPACT), operation, path)
        } else if !isEmpty {
            // Only chunks can have checksums. An empty dataset is contiguous, because it has no bytes to protect.
            let chunk = ArchiveWriter.chunk(dims, elementBytes: type.byteCount).map { hsize_t($0) }
            try HDF5.check(H5Pset_chunk(creation.id, Int32(chunk.count), chunk), operation, path)
            try HDF5.check(H5Pset_fletcher32(creation.id), operation, path)
        }
        let dataset = try HDF5Handle(
            H5Dcreate2(file.id, name, types.file(type), space.id, groups.id, creation.id, HDF5.defaults), H5Dclose,
            operation, path)
        if let order { try writeAttribute("order", Int64(order), on: dataset.id) }
        if !isEmpty {
            try HDF5.check(
                H5Dwrite(dataset.id, types.memory(type), HDF5.wholeExtent, HDF5.wholeExtent, HDF5.defaults, bytes),
                operation, path)
        }
        try dataset.close(operation, path)
        try ArchiveWriter.check(systemError, operation, path)
    }

    /// The shape of a chunk: whole trailing axes, at most 1 MiB, with chunks of nearly equal size to minimize the padding of the
    /// last.
    package static func chunk(_ dims: [Int], elementBytes: Int) -> [Int] {
        let limit = 1 << 20
        var chunk = dims
        for axis in dims.indices {
            let row = dims[(axis + 1)...].reduce(elementBytes, *)
            let rows = max(1, limit / row)
            let pieces = (dims[axis] + rows - 1) / rows
            chunk[axis] = (dims[axis] + pieces - 1) / pieces
            if row <= limit { break }
        }
        return chunk
    }

    private func writeAttribute(_ name: String, _ value: Int64, on object: hid_t) throws(CheckpointError) {
        let operation = "write the attribute '\(name)'"
        let space = try HDF5Handle(H5Screate(H5S_SCALAR), H5Sclose, operation, path)
        let attribute = try HDF5Handle(
            H5Acreate2(object, name, nstm_H5T_STD_I64LE(), space.id, HDF5.defaults, HDF5.defaults), H5Aclose, operation, path)
        try HDF5.check(withUnsafePointer(to: value) { H5Awrite(attribute.id, nstm_H5T_NATIVE_INT64(), $0) }, operation, path)
    }
    private func writeAttribute(_ name: String, _ text: String) throws(CheckpointError) {
        let operation = "write the attribute '\(name)'"
        let space = try HDF5Handle(H5Screate(H5S_SCALAR), H5Sclose, operation, path)
        let type = try HDF5Handle.text(byteCount: text.utf8.count, path)
        let attribute = try HDF5Handle(
            H5Acreate2(file.id, name, type.id, space.id, HDF5.defaults, HDF5.defaults), H5Aclose, operation, path)
        try HDF5.check(H5Awrite(attribute.id, type.id, Array(text.utf8)), operation, path)
    }
}

extension HDF5Handle {
    /// The properties for opening a file: closing it fails if a handle is still open, instead of being postponed silently.
    static func fileAccess(_ path: String) throws(CheckpointError) -> HDF5Handle {
        let access = try HDF5Handle(H5Pcreate(nstm_H5P_FILE_ACCESS()), H5Pclose, "prepare the file", path)
        try HDF5.check(H5Pset_fclose_degree(access.id, H5F_CLOSE_SEMI), "prepare the file", path)
        // File locks are unnecessary because a checkpoint is replaced as a whole, and network volumes may not support them.
        try HDF5.check(H5Pset_file_locking(access.id, false, true), "prepare the file", path)
        return access
    }
    /// The type of UTF-8 texts of a fixed length.
    static func text(byteCount: Int, _ path: String) throws(CheckpointError) -> HDF5Handle {
        let type = try HDF5Handle(H5Tcopy(nstm_H5T_C_S1()), H5Tclose, "create the type of texts", path)
        try HDF5.check(H5Tset_size(type.id, max(byteCount, 1)), "create the type of texts", path)
        try HDF5.check(H5Tset_cset(type.id, H5T_CSET_UTF8), "create the type of texts", path)
        try HDF5.check(H5Tset_strpad(type.id, H5T_STR_NULLPAD), "create the type of texts", path)
        return type
    }
}
