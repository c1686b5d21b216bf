import Foundation
import NSTMTensor

/// Why a checkpoint could not be written, read or used. Every message names the file, what was expected, what was found and
/// what to do about it.
public enum CheckpointError: Error, Sendable, Equatable, CustomStringConvertible {
    /// There is no file at this path.
    case notFound(path: String)
    /// The file is something else than a checkpoint: `found` says what.
    case notCheckpoint(path: String, found: String)
    /// The file ends too early; sizes in bytes.
    case truncated(path: String, expected: Int, actual: Int)
    /// The file goes on after its declared end; sizes in bytes.
    case trailingData(path: String, expected: Int, actual: Int)
    /// Bytes changed after the file was written. `part` is "header" or "payload"; SHA-256 digests in hexadecimal.
    case digestMismatch(path: String, part: String, expected: String, actual: String)
    /// The file was written by a later version of the format.
    case newerFormat(path: String, found: Int, supported: Int)
    /// The digest is right, but the file holds something a checkpoint never holds: a link out of the file, an impossible size.
    case refused(path: String, object: String, reason: String)
    /// The archive cannot be written as it is: all issues of its paths and sizes.
    case invalidArchive(path: String, issues: [String])
    /// A file is not as the safetensors format wants it, or tensors cannot be written in it: all issues.
    case invalidSafetensors(path: String, issues: [String])
    /// The tensors of an archive are not the ones a model needs: all differences.
    case tensorMismatch(path: String, prefix: String, issues: [TensorIssue])
    /// Tensors that are tables, such as masks, hold what no such table holds: all of them.
    case invalidValues(path: String, issues: [String])
    /// A document is missing, or its text does not decode to the type asked for.
    case invalidDocument(path: String, name: String, reason: String)
    /// The file just written does not read back as the archive it was written from.
    case verificationFailed(path: String, reason: String)
    /// A folder has checkpoints, but none of them is intact.
    case noUsableCheckpoint(folder: String, skipped: [SkippedCheckpoint])
    /// Not enough free space on the volume; sizes in bytes.
    case noSpace(path: String, needed: Int, available: Int)
    /// More memory is needed for what a file holds than this process can get.
    case noMemory(MemoryError)
    /// A system call failed: its `errno` and the system's text for it.
    case ioError(path: String, operation: String, code: Int32, text: String)
    /// libhdf5 failed: the outermost and the innermost message of its error stack.
    case hdf5(path: String, operation: String, outermost: String, innermost: String)

    public var description: String {
        switch self {
        case .notFound(let path):
            return "\(path): no such file. Check the path, or list the folder's checkpoints."
        case .notCheckpoint(let path, let found):
            return "\(path): expected an NSTM checkpoint, found \(found). Check that this is the file you mean."
        case .truncated(let path, let expected, let actual):
            return "\(path): truncated: expected \(expected) bytes, found \(actual). "
                + "Copy the file again, or go back to the previous checkpoint."
        case .trailingData(let path, let expected, let actual):
            return "\(path): expected \(expected) bytes, found \(actual): something was appended. "
                + "Copy the file again, or go back to the previous checkpoint."
        case .digestMismatch(let path, let part, let expected, let actual):
            return "\(path): damaged \(part): expected SHA-256 \(expected), found \(actual). "
                + "Copy the file again, or go back to the previous checkpoint."
        case .newerFormat(let path, let found, let supported):
            return "\(path): format version \(found), but this program reads up to version \(supported). Update NSTM."
        case .refused(let path, let object, let reason):
            return "\(path): refused at '\(object)': \(reason). The file was not written by NSTM; do not trust it."
        case .invalidArchive(let path, let issues):
            return "\(path): not saved, \(issues.count) issue(s) in the archive:" + CheckpointError.list(issues)
                + "\nPaths are names of letters, digits, '_', '.', '-' joined by '/'. Nothing on disk was changed."
        case .invalidSafetensors(let path, let issues):
            return "\(path): \(issues.count) issue(s) in the safetensors format:" + CheckpointError.list(issues)
                + "\nGet or write the file again; nothing was changed."
        case .tensorMismatch(let path, let prefix, let issues):
            return "\(path): \(issues.count) tensor(s) under '\(prefix)' do not fit:" + CheckpointError.list(issues)
                + "\nBuild the model from the configuration stored in the checkpoint, or load the checkpoint of this model."
        case .invalidValues(let path, let issues):
            return "\(path): \(issues.count) tensor(s) with values that cannot be:" + CheckpointError.list(issues)
                + "\nThe file was not written by NSTM; do not trust it."
        case .invalidDocument(let path, let name, let reason):
            return "\(path): document '\(name)': \(reason). List the documents of the file, or save it again."
        case .verificationFailed(let path, let reason):
            return "\(path): not saved: what was written does not read back: \(reason). "
                + "No file was changed; check disk and memory, then save again."
        case .noUsableCheckpoint(let folder, let skipped):
            return "\(folder): none of \(skipped.count) checkpoint(s) is intact:" + CheckpointError.list(skipped)
                + "\nRestore one from a copy, or start again in an empty folder."
        case .noSpace(let path, let needed, let available):
            return "\(path): not saved: needs about \(needed) bytes, \(available) are free. "
                + "No file was changed; free some space or save elsewhere."
        case .noMemory(let error):
            return "\(error). Nothing was loaded; close other programs, or use a machine with more memory."
        case .ioError(let path, let operation, let code, let text):
            return "\(path): cannot \(operation): \(text) (errno \(code)). Check the folder, its permissions and the disk."
        case .hdf5(let path, let operation, let outermost, let innermost):
            return "\(path): libhdf5 cannot \(operation): \(outermost); cause: \(innermost). "
                + "If the file was being read, go back to the previous checkpoint; if it was being saved, no file was changed."
        }
    }

    private static func list(_ items: [some CustomStringConvertible]) -> String {
        items.map { "\n  - \($0)" }.joined()
    }

    /// The error of a system call that failed with `code`.
    static func system(_ operation: String, _ path: String, _ code: Int32) -> CheckpointError {
        .ioError(path: path, operation: operation, code: code, text: String(cString: strerror(code)))
    }
    /// Throws `noMemory` when `bytes` cannot be allocated for a file's contents.
    static func checkMemory(_ bytes: Int, for path: String) throws(CheckpointError) {
        do { try AvailableMemory.check(bytes, for: "\(path): its contents") } catch { throw .noMemory(error) }
    }
    /// The `errno` behind the error, if there is one.
    var systemCode: Int32? {
        if case .ioError(_, _, let code, _) = self { code } else { nil }
    }
}

/// One difference between the tensors a model needs and those an archive has.
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

/// A checkpoint that was passed over because it is not intact, and why.
public struct SkippedCheckpoint: Sendable, Equatable, CustomStringConvertible {
    public let url: URL
    public let error: CheckpointError
    public var description: String { "\(error)" }
}
