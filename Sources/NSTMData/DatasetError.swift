import NSTMTensor

/// An error in the files or parameters of a dataset.
///
/// The description has the reason, the path and a remedy.
public enum DatasetError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file is at none of the searched paths, and downloads are off.
    case notFound(dataset: String, file: String, lookedAt: [String], address: String)
    /// The file is at none of the searched paths, and its download failed.
    case downloadFailed(dataset: String, file: String, address: String, reason: String, lookedAt: [String])
    /// The downloaded file differs from the published one and was deleted.
    case checksumMismatch(address: String, expected: FileDigest, found: FileDigest)
    /// The cache is not writable.
    case cannotWrite(path: String, reason: String)
    /// A file cannot be read, or an explicitly given path does not exist.
    case unreadable(path: String, reason: String)
    /// A text file is not UTF-8.
    case invalidUTF8(path: String, byteOffset: Int)
    /// Parameters or content are invalid; all issues.
    case invalid(dataset: String, issues: [String])
    /// A text has characters outside a given tokenizer's vocabulary.
    case tokenizer(CharacterTokenizer.Error)
    /// The data needs more memory than is available to this process.
    case noMemory(MemoryError)

    public var description: String {
        switch self {
        case .notFound(let dataset, let file, let paths, let address):
            """
            dataset '\(dataset)': \(file) was not found. Searched paths:
            \(DatasetError.list(paths))
            Pass a folder that contains \(file) or \(dataset)/\(file) with --data FOLDER or NSTM_DATA=FOLDER. Without --data the \
            file is downloaded from \(address)
            """
        case .downloadFailed(let dataset, let file, let address, let reason, let paths):
            """
            dataset '\(dataset)': the download of \(address) failed: \(reason). Searched paths:
            \(DatasetError.list(paths))
            Try again, or download the file by other means and pass a folder that contains \(file) or \(dataset)/\(file) with \
            --data FOLDER or NSTM_DATA=FOLDER
            """
        case .checksumMismatch(let address, let expected, let found):
            """
            \(address) did not deliver the published file; the download was deleted.
              expected \(expected)
              found    \(found)
            Try again; if the error persists, pass a folder that contains the file with --data FOLDER
            """
        case .cannotWrite(let path, let reason):
            "cannot write \(path): \(reason). Choose another cache with XDG_CACHE_HOME, or pass the data with --data FOLDER"
        case .unreadable(let path, let reason): "cannot read \(path): \(reason)"
        case .invalidUTF8(let path, let offset): "\(path) is not UTF-8 text: invalid byte at offset \(offset)"
        case .invalid(let dataset, let issues): "dataset '\(dataset)':\n\(DatasetError.list(issues))"
        case .tokenizer(let error): error.description
        case .noMemory(let error): "\(error). Nothing was loaded; use less data or a host with more memory"
        }
    }
    private static func list(_ lines: [String]) -> String { lines.map { "  - " + $0 }.joined(separator: "\n") }
}

extension DatasetFolder {
    /// A warning about a dataset for the user.
    public enum Warning: Sendable, Equatable, CustomStringConvertible {
        /// A file that the user supplied differs from the published one, possibly on purpose.
        case notThePublishedFile(path: String, expected: FileDigest, found: FileDigest)

        public var description: String {
            switch self {
            case .notThePublishedFile(let path, let expected, let found):
                """
                \(path) is not the published file; results are not comparable with published ones.
                  expected \(expected)
                  found    \(found)
                """
            }
        }
    }
}
