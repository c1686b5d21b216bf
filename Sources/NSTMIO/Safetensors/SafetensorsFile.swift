import Foundation
import NSTMTensor

/// A file of named tensors in the safetensors format (github.com/huggingface/safetensors), the format of most published weights.
///
/// A file has the length of its header (8 bytes, little-endian), the header (JSON: element type, shape and byte range of every
/// tensor), and the elements, row-major and little-endian. It has no checksum and no training state: use a checkpoint to resume
/// training.
///
///     let weights = try SafetensorsFile.read(url)
///     var archive = CheckpointArchive()
///     archive.append(weights.tensors, under: "model")
///     try model.load(archive)
public struct SafetensorsFile: Sendable {
    /// Tensors with their names.
    ///
    /// Those of a file are in the order of their elements in it.
    public var tensors: [(path: String, tensor: Tensor)]
    /// Texts by name, from `__metadata__`.
    public var metadata: [String: String]

    public init(_ tensors: [(path: String, tensor: Tensor)], metadata: [String: String] = [:]) {
        self.tensors = tensors
        self.metadata = metadata
    }
    /// The first tensor of a name; nil when there is none.
    public subscript(name: String) -> Tensor? { tensors.first { $0.path == name }?.tensor }

    /// Reads a file.
    ///
    /// F16 and BF16 are converted to float32; F32, F64, I32, U8 and BOOL keep their types.
    ///
    /// Strict, as the format requires: every byte must belong to the header or to exactly one tensor.
    /// - Throws: `CheckpointError.invalidSafetensors` with all issues, `noMemory`, `notFound` or `ioError`.
    public static func read(_ url: URL) throws(CheckpointError) -> SafetensorsFile {
        do throws(CheckpointError) {
            let file = try OpenFile.at(url.path)
            let header = try SafetensorsHeader(file)
            let needed = header.entries.map { [$0.shape.count, $0.type.dtype.byteCount].saturatedProduct }.saturatedSum
            try CheckpointError.checkMemory(needed, for: url.path)
            var tensors: [(path: String, tensor: Tensor)] = []
            var issues: [String] = []
            for entry in header.entries {
                let tensor = try entry.type.tensor(entry.shape) { buffer throws(CheckpointError) in
                    let offset = header.byteCount + entry.range.lowerBound
                    let count = try file.read(into: buffer, at: offset)
                    guard count == buffer.count else {
                        throw .truncated(path: url.path, expected: offset + buffer.count, actual: offset + count)
                    }
                }
                if entry.type == .bool {
                    let invalid = tensor.withBytes { bytes in bytes.firstIndex { $0 > 1 }.map { (index: $0, value: bytes[$0]) } }
                    if let invalid {
                        issues.append("'\(entry.name)': element \(invalid.index) is \(invalid.value); a BOOL must be 0 or 1")
                    }
                }
                tensors.append((entry.name, tensor))
            }
            guard issues.isEmpty else { throw .invalidSafetensors(path: url.path, issues: issues) }
            return SafetensorsFile(tensors, metadata: header.metadata)
        } catch {
            if case .notCheckpoint(let path, let found) = error {
                throw .invalidSafetensors(path: path, issues: ["expected a file, found \(found)"])
            }
            throw error
        }
    }

    /// Writes a file durably and atomically: an existing file of that name is replaced only when the new one is complete and
    /// flushed to disk.
    ///
    /// Tensors are sorted by the size of their element type, largest first, so that all elements are aligned.
    /// - Throws: `CheckpointError.invalidSafetensors` with all tensors that cannot be written, `noSpace` or `ioError`.
    public func write(to url: URL) throws(CheckpointError) {
        let path = url.path
        let order = tensors.indices.sorted {
            let a = tensors[$0].tensor.dtype.byteCount, b = tensors[$1].tensor.dtype.byteCount
            return a != b ? a > b : $0 < $1
        }
        let sorted = order.map { tensors[$0] }
        let header = try SafetensorsHeader.encode(sorted, metadata, path: path)
        let total = sorted.reduce(header.count) { $0 + $1.tensor.count * $1.tensor.dtype.byteCount }
        try AtomicSave.checkFreeSpace(total, for: path)
        try AtomicSave.replace(path) { temporary throws(CheckpointError) in
            let file = try OpenFile.new(temporary)
            try file.write(header, at: 0)
            var offset = header.count
            for (_, tensor) in sorted {
                try file.write(tensor, at: offset)
                offset += tensor.count * tensor.dtype.byteCount
            }
            try file.synchronize()
        }
    }
}
