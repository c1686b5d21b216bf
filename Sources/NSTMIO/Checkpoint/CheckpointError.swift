import Foundation
import NSTMTensor

/// An error of writing, reading or using a checkpoint.
///
/// Every description has the path, what was expected, what was found and a remedy.
public enum CheckpointError: Error, Sendable, Equatable, CustomStringConvertible {
    /// No file exists at the path.
    case notFound(path: String)
    /// The file is not a checkpoint; `found` describes it.
    case notCheckpoint(path: String, found: String)
    /// The file is shorter than its header declares; sizes in bytes.
    case truncated(path: String, expected: Int, actual: Int)
    /// The file is longer than its header declares; sizes in bytes.
    case trailingData(path: String, expected: Int, actual: Int)
    /// The bytes changed after the file was written. `part` is "header" or "payload"; SHA-256 digests in hexadecimal.
    case digestMismatch(path: String, part: String, expected: String, actual: String)
    /// The file was written by a later version of the format.
    case newerFormat(path: String, found: Int, supported: Int)
    /// The digest is correct, but the content is not that of a checkpoint, such as an external link or an impossible size.
    case refused(path: String, object: String, reason: String)
    /// The archive cannot be written; all issues of its paths and sizes.
    case invalidArchive(path: String, issues: [String])
    /// A file violates the safetensors format, or tensors cannot be represented in it; all issues.
    case invalidSafetensors(path: String, issues: [String])
    /// The tensors of an archive differ from those of a model; all differences.
    case tensorMismatch(path: String, prefix: String, issues: [TensorIssue])
    /// Tensors with restricted values, such as masks, have other values; all such tensors.
    case invalidValues(path: String, issues: [String])
    /// A document is missing or invalid.
    case invalidDocument(path: String, name: String, reason: String)
    /// A file that was just written does not read back as the archive.
    case verificationFailed(path: String, reason: String)
    /// A folder has checkpoints, but none of them is intact.
    case noUsableCheckpoint(folder: String, skipped: [CheckpointFile.Skipped])
    /// The volume has not enough free space; sizes in bytes.
    case noSpace(path: String, needed: Int, available: Int)
    /// The content of a file needs more memory than is available to this process.
    case noMemory(MemoryError)
    /// A system call failed; its `errno` and the system's text for it.
    case ioError(path: String, operation: String, code: Int32, text: String)
    /// libhdf5 failed; the outermost and the innermost message of its error stack.
    case hdf5(path: String, operation: String, outermost: String, innermost: String)

    public var description: String {
        switch self {
        case .notFound(let path):
            return "\(path): no such file. Check the path, or list the folder's checkpoints."
        case .notCheckpoint(let path, let found):
            return "\(path): expected an NSTM checkpoint, found \(found). Check the path."
        case .truncated(let path, let expected, let actual):
            return "\(path): truncated: expected \(expected) bytes, found \(actual). "
                + "Copy the file again, or use the previous checkpoint."
        case .trailingData(let path, let expected, let actual):
            return "\(path): expected \(expected) bytes, found \(actual): data was appended. "
                + "Copy the file again, or use the previous checkpoint."
        case .digestMismatch(let path, let part, let expected, let actual):
            return "\(path): damaged \(part): expected SHA-256 \(expected), found \(actual). "
                + "Copy the file again, or use the previous checkpoint."
        case .newerFormat(let path, let found, let supported):
            return "\(path): format version \(found), but this program reads up to version \(supported). Update NSTM."
        case .refused(let path, let object, let reason):
            return "\(path): invalid content at '\(object)': \(reason). The file was not written by NSTM; do not trust it."
        case .invalidArchive(let path, let issues):
            return "\(path): not saved, \(issues.count) issue(s) in the archive:" + CheckpointError.list(issues)
                + "\nPaths are names of letters, digits, '_', '.', '-' joined by '/'. Nothing on disk was changed."
        case .invalidSafetensors(let path, let issues):
            return "\(path): \(issues.count) issue(s) in the safetensors format:" + CheckpointError.list(issues)
                + "\nDownload or write the file again; nothing was changed."
        case .tensorMismatch(let path, let prefix, let issues):
            return "\(path): \(issues.count) tensor(s) under '\(prefix)' do not match:" + CheckpointError.list(issues)
                + "\nBuild the model from the configuration stored in the checkpoint, or load the checkpoint of this model."
        case .invalidValues(let path, let issues):
            return "\(path): \(issues.count) tensor(s) with invalid values:" + CheckpointError.list(issues)
                + "\nThe file was not written by NSTM; do not trust it."
        case .invalidDocument(let path, let name, let reason):
            return "\(path): document '\(name)': \(reason). Use a checkpoint that was written by this version of NSTM."
        case .verificationFailed(let path, let reason):
            return "\(path): not saved: verification of the written file failed: \(reason). "
                + "No file was changed; check disk and memory, then save again."
        case .noUsableCheckpoint(let folder, let skipped):
            return "\(folder): none of \(skipped.count) checkpoint(s) is intact:" + CheckpointError.list(skipped)
                + "\nRestore one from a backup, or start a new run in an empty folder."
        case .noSpace(let path, let needed, let available):
            return "\(path): not saved: needs about \(needed) bytes, \(available) are free. "
                + "No file was changed; free some space or save elsewhere."
        case .noMemory(let error):
            return "\(error). Nothing was loaded; close other programs, or use a host with more memory."
        case .ioError(let path, let operation, let code, let text):
            return "\(path): cannot \(operation): \(text) (errno \(code)). Check the folder, its permissions and the disk."
        case .hdf5(let path, let operation, let outermost, let innermost):
            return "\(path): libhdf5 cannot \(operation): \(outermost); cause: \(innermost). "
                + "If the file was being read, use the previous checkpoint; if it was being saved, no file was changed."
        }
    }

    private static func list(_ items: [some CustomStringConvertible]) -> String {
        items.map { "\n  - \($0)" }.joined()
    }

    /// The error of a system call that failed with the `errno` `code`.
    static func system(_ operation: String, _ path: String, _ code: Int32) -> CheckpointError {
        .ioError(path: path, operation: operation, code: code, text: String(cString: strerror(code)))
    }
    /// Checks that `bytes` can be allocated for the contents of a file.
    /// - Throws: `noMemory`.
    static func checkMemory(_ bytes: Int, for path: String) throws(CheckpointError) {
        do { try AvailableMemory.check(bytes, for: "\(path): its contents") } catch { throw .noMemory(error) }
    }
    /// The `errno` of a failed system call; nil for other errors.
    var systemCode: Int32? {
        if case .ioError(_, _, let code, _) = self { code } else { nil }
    }
}

extension CheckpointError {
    /// A difference between the tensors of a model and those of an archive.
    public enum TensorIssue: Sendable, Equatable, CustomStringConvertible {
        case missing(path: String, shape: Shape, dtype: DType)
        case unexpected(path: String, shape: Shape, dtype: DType)
        case shape(path: String, expected: Shape, found: Shape)
        case dtype(path: String, expected: DType, found: DType)

        public var description: String {
            switch self {
            case .missing(let path, let shape, let dtype): "\(path): missing, expected \(shape) \(dtype)"
            case .unexpected(let path, let shape, let dtype): "\(path): unexpected, found \(shape) \(dtype)"
            case .shape(let path, let expected, let found): "\(path): expected shape \(expected), found \(found)"
            case .dtype(let path, let expected, let found): "\(path): expected \(expected), found \(found)"
            }
        }
    }
}

extension CheckpointFile {
    /// A checkpoint that was skipped because it is not intact.
    public struct Skipped: Sendable, Equatable, CustomStringConvertible {
        /// Path of the file.
        public let url: URL
        /// Reason why it was skipped.
        public let error: CheckpointError
        public var description: String { "\(error)" }
    }
}
