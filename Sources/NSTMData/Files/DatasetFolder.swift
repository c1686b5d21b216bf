import Foundation

/// A published file of a dataset.
package struct DatasetSource: Sendable, Equatable {
    /// Name of the dataset and of its folder in the cache.
    package let dataset: String
    /// Name of the file.
    package let file: String
    /// URL of the file.
    package let address: URL
    /// Size and SHA-256 of the published file.
    package let digest: FileDigest
    /// Size and SHA-256 of the decompressed content of a `.gz` file, which a user's folder may contain under the name without
    /// that extension; nil for other files.
    package let unpacked: FileDigest?

    package init(dataset: String, file: String, address: URL, digest: FileDigest, unpacked: FileDigest? = nil) {
        self.dataset = dataset
        self.file = file
        self.address = address
        self.digest = digest
        self.unpacked = unpacked
    }
    /// The names of the file in a user's folder.
    var names: [String] { unpacked == nil ? [file] : [file, (file as NSString).deletingPathExtension] }

    /// Tiny Shakespeare: about 40,000 lines from github.com/karpathy/char-rnn.
    ///
    /// The text is in the public domain.
    package static let tinyShakespeare = DatasetSource(
        dataset: "tinyshakespeare", file: "input.txt",
        address: URL(string: "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt")!,
        digest: FileDigest(
            byteCount: 1_115_394, sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"))
}

extension DatasetFolder {
    /// A local file of a dataset.
    public struct File: Sendable, Equatable {
        /// The source of a local file.
        public enum Origin: Sendable, Equatable {
            /// A folder given by the user.
            case user
            /// The cache.
            case cache
            /// A download into the cache in this call.
            case download
        }
        /// Path of the file.
        public let url: URL
        /// Source of the file.
        public let origin: Origin
        /// Size and SHA-256 of the file.
        public let digest: FileDigest
        /// A warning for the user if the file differs from the published one.
        public let warning: Warning?
    }
}

/// The search path for the files of datasets, in this order.
///
/// 1. the folder given with `--data`; if it is given, no other folder is searched;
/// 2. the folder in `NSTM_DATA`;
/// 3. the cache: `$XDG_CACHE_HOME/nstm`, else `~/Library/Caches/nstm` on macOS and `~/.cache/nstm` elsewhere;
/// 4. a download from the official URL into the cache.
///
/// A user's folder may contain the file directly or in a subfolder named after the dataset, or be the file itself. Such a file
/// may be decompressed, and may differ from the published one, with a warning. The cache must contain the published file; a
/// damaged one is downloaded again.
public struct DatasetFolder: Sendable {
    /// A callback with the number of received bytes and the total.
    ///
    /// Called in order, from another thread.
    public typealias Progress = @Sendable (_ received: Int, _ total: Int) -> Void

    /// The folder of `--data`.
    public let given: URL?
    /// The folder of `NSTM_DATA`.
    public let ambient: URL?
    /// The folder of the cache.
    public let cache: URL

    /// - Parameters:
    ///   - folder: the value of `--data`.
    ///   - environment: environment variables; `NSTM_DATA`, `XDG_CACHE_HOME` and `HOME` are used.
    public init(_ folder: String? = nil, environment: [String: String] = ProcessInfo.processInfo.environment) {
        func path(_ text: String?) -> URL? {
            guard let text, !text.isEmpty else { return nil }
            return URL(fileURLWithPath: (text as NSString).expandingTildeInPath)
        }
        given = path(folder)
        ambient = path(environment["NSTM_DATA"])
        // The XDG base directory specification says to ignore relative paths.
        if let xdg = environment["XDG_CACHE_HOME"], xdg.hasPrefix("/") {
            cache = URL(fileURLWithPath: xdg).appendingPathComponent("nstm")
        } else {
            let home = path(environment["HOME"]) ?? URL(fileURLWithPath: NSHomeDirectory())
            #if os(macOS)
                cache = home.appendingPathComponent("Library/Caches/nstm")
            #else
                cache = home.appendingPathComponent(".cache/nstm")
            #endif
        }
    }

    /// Locates a file, and downloads it if necessary.
    ///
    /// Blocks until the download is complete.
    /// - Parameters:
    ///   - download: false to use local files only.
    ///   - progress: called while bytes arrive.
    /// - Throws: `DatasetError`. A failed download leaves the cache unchanged.
    package func resolve(
        _ source: DatasetSource, download: Bool = true, progress: Progress? = nil
    ) throws(DatasetError) -> File {
        var lookedAt: [String] = []
        for folder in given.map({ [$0] }) ?? ambient.map({ [$0] }) ?? [] {
            let folders = [folder, folder.appendingPathComponent(source.dataset)]
            let candidates = [folder] + folders.flatMap { f in source.names.map { f.appendingPathComponent($0) } }
            if let file = candidates.first(where: isFile) { return try userFile(file, source) }
            let note = FileManager.default.fileExists(atPath: folder.path) ? "" : " (\(folder.path) does not exist)"
            lookedAt += candidates.dropFirst().map { $0.path + note }
        }
        if given != nil { throw notFound(source, lookedAt) }

        let cached = cache.appendingPathComponent(source.dataset).appendingPathComponent(source.file)
        if isFile(cached), case let digest = try FileDigest(contentsOf: cached) {
            if digest == source.digest { return File(url: cached, origin: .cache, digest: digest, warning: nil) }
            lookedAt.append(cached.path + " (damaged: it is not the published file)")
        } else {
            lookedAt.append(cached.path)
        }
        guard download else { throw notFound(source, lookedAt) }
        try Download(source: source, destination: cached, lookedAt: lookedAt, progress: progress).run()
        return File(url: cached, origin: .download, digest: source.digest, warning: nil)
    }

    /// The location of a user's own file: `--data` itself if it is a file, a file of the same name in the folder of `--data`, or
    /// the given path, in this order.
    /// - Throws: `DatasetError.unreadable` when none of them exists.
    public func file(_ path: String) throws(DatasetError) -> URL {
        let own = URL(fileURLWithPath: path)
        let candidates = (given.map { [$0, $0.appendingPathComponent(own.lastPathComponent)] } ?? []) + [own]
        if let file = candidates.first(where: isFile) { return file }
        // Anything else that exists, such as a folder, is an error of reading, which describes it.
        if FileManager.default.fileExists(atPath: own.path) { return own }
        let reason = "no such file. If it was moved, pass its new location with --data FOLDER or --set data.file=PATH"
        throw .unreadable(path: path, reason: reason)
    }
    /// The full path of the file that `file` locates; the given path when there is none.
    ///
    /// For `ConfigurationReader.file`, so that a resolved configuration names the file that was read.
    public func location(of path: String) -> String { (try? file(path))?.standardizedFileURL.path ?? path }
    private func isFile(_ url: URL) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) && !isFolder.boolValue
    }
    private func userFile(_ file: URL, _ source: DatasetSource) throws(DatasetError) -> File {
        let digest = try FileDigest(contentsOf: file)
        let warning: Warning? =
            digest == source.digest || digest == source.unpacked
            ? nil : .notThePublishedFile(path: file.path, expected: source.digest, found: digest)
        return File(url: file, origin: .user, digest: digest, warning: warning)
    }
    private func notFound(_ source: DatasetSource, _ lookedAt: [String]) -> DatasetError {
        .notFound(
            dataset: source.dataset, file: source.file, lookedAt: lookedAt, address: source.address.absoluteString)
    }
}
