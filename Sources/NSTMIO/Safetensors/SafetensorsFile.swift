import Foundation
import NSTMTensor

/// Named tensors in the safetensors format (github.com/huggingface/safetensors), in which most published weights are.
///
/// A file is the length of its header (8 bytes, little-endian), the header (JSON: for every name the element type, the shape, and
/// where the elements lie), and the elements, row-major and little-endian. It has no checksum: to go on training, save a
/// checkpoint.
///
///     let weights = try SafetensorsFile.read(url)
///     var archive = CheckpointArchive()
///     archive.append(weights.tensors, under: "model")
///     try model.load(archive)
public struct SafetensorsFile: Sendable {
    /// Tensors with their names; of a file that was read in the order of its elements.
    public var tensors: [(path: String, tensor: Tensor)]
    /// Texts by name.
    public var metadata: [String: String]

    public init(_ tensors: [(path: String, tensor: Tensor)], metadata: [String: String] = [:]) {
        self.tensors = tensors
        self.metadata = metadata
    }
    /// The first tensor of a name.
    public subscript(name: String) -> Tensor? { tensors.first { $0.path == name }?.tensor }

    /// Reads a file. F16 and BF16 become float32; F32, F64, I32, U8 and BOOL stay what they are.
    ///
    /// Strict: every byte belongs to exactly one tensor or to the header, as the format demands.
    /// - Throws: `CheckpointError.invalidSafetensors` with everything that is wrong, `noMemory`, `notFound` or `ioError`.
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
                    let wrong = tensor.withBytes { bytes in bytes.firstIndex { $0 > 1 }.map { (index: $0, value: bytes[$0]) } }
                    if let wrong {
                        issues.append("'\(entry.name)': element \(wrong.index) is \(wrong.value); a BOOL is 0 or 1")
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

    /// Writes a file, durably and atomically: until it is complete and on the medium, the old file of that name stays. The elements
    /// are sorted by the size of their type, largest first, so that all are aligned.
    /// - Throws: `CheckpointError.invalidSafetensors` with everything that cannot be written, `noSpace` or `ioError`.
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
