import NSTMTensor

/// What can be wrong with data from outside. The description says what happened, where, and what to do about it.
public enum DatasetError: Error, Sendable, Equatable, CustomStringConvertible {
    /// No file in any of the places, and a download was not wanted.
    case notFound(dataset: String, file: String, lookedAt: [String], address: String)
    /// The file is nowhere on this machine and could not be fetched.
    case downloadFailed(dataset: String, file: String, address: String, reason: String, lookedAt: [String])
    /// What was fetched is not the published file; it has been thrown away.
    case checksumMismatch(address: String, expected: FileDigest, found: FileDigest)
    /// The cache cannot be written.
    case cannotWrite(path: String, reason: String)
    /// The file exists but cannot be read, or does not exist where a path was given outright.
    case unreadable(path: String, reason: String)
    case invalidUTF8(path: String, byteOffset: Int)
    /// Parameters or content that cannot work, all of them.
    case invalid(dataset: String, issues: [String])
    case tokenizer(TokenizerError)
    /// More memory is needed for the data than this process can get.
    case noMemory(MemoryError)

    public var description: String {
        switch self {
        case .notFound(let dataset, let file, let places, let address):
            """
            dataset '\(dataset)': found no \(file). Looked at:
            \(DatasetError.list(places))
            Pass a folder that holds \(file) or \(dataset)/\(file) with --data FOLDER or NSTM_DATA=FOLDER. Without --data the \
            file is downloaded from \(address)
            """
        case .downloadFailed(let dataset, let file, let address, let reason, let places):
            """
            dataset '\(dataset)': the download of \(address) failed: \(reason). Looked before at:
            \(DatasetError.list(places))
            Try again, or fetch the file by other means and pass its folder (it holds \(file) or \(dataset)/\(file)) with \
            --data FOLDER or NSTM_DATA=FOLDER
            """
        case .checksumMismatch(let address, let expected, let found):
            """
            \(address) did not deliver the published file, so it was thrown away.
              expected \(expected)
              found    \(found)
            Try again; if it stays so, pass a folder that holds the file with --data FOLDER
            """
        case .cannotWrite(let path, let reason):
            "cannot write \(path): \(reason). Choose another cache with XDG_CACHE_HOME, or pass the data with --data FOLDER"
        case .unreadable(let path, let reason): "cannot read \(path): \(reason)"
        case .invalidUTF8(let path, let offset): "\(path) is not UTF-8 text: byte \(offset) fits no character"
        case .invalid(let dataset, let issues): "dataset '\(dataset)':\n\(DatasetError.list(issues))"
        case .tokenizer(let error): error.description
        case .noMemory(let error): "\(error). Nothing was loaded; use less data, or a machine with more memory"
        }
    }
    private static func list(_ lines: [String]) -> String { lines.map { "  - " + $0 }.joined(separator: "\n") }
}

/// Something the user should hear about that does not stop anything.
public enum DatasetWarning: Sendable, Equatable, CustomStringConvertible {
    /// A file the user pointed at is not the published one; they may have edited it on purpose.
    case notThePublishedFile(path: String, expected: FileDigest, found: FileDigest)

    public var description: String {
        switch self {
        case .notThePublishedFile(let path, let expected, let found):
            """
            \(path) is not the published file; results will not compare with published ones.
              expected \(expected)
              found    \(found)
            """
        }
    }
}
