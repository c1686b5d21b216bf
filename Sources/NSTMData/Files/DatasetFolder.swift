import Foundation

/// A file that a dataset is made of, as it is published.
public struct DatasetSource: Sendable, Equatable {
    /// The dataset's name, which is also that of its folder.
    public let dataset: String
    public let file: String
    public let address: URL
    public let digest: FileDigest
    /// For a file that ends in `.gz`: what is inside, which a user's folder may hold under the name without that ending.
    public let unpacked: FileDigest?

    public init(dataset: String, file: String, address: URL, digest: FileDigest, unpacked: FileDigest? = nil) {
        self.dataset = dataset
        self.file = file
        self.address = address
        self.digest = digest
        self.unpacked = unpacked
    }
    /// The names under which a user's folder may hold the file.
    var names: [String] { unpacked == nil ? [file] : [file, (file as NSString).deletingPathExtension] }

    /// About 40,000 lines of Shakespeare, from github.com/karpathy/char-rnn. The text is in the public domain.
    public static let tinyShakespeare = DatasetSource(
        dataset: "tinyshakespeare", file: "input.txt",
        address: URL(string: "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt")!,
        digest: FileDigest(
            byteCount: 1_115_394, sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"))
}

/// A dataset's file on this machine.
public struct DatasetFile: Sendable, Equatable {
    public enum Origin: Sendable, Equatable {
        /// A folder the user named.
        case user
        case cache
        /// Fetched a moment ago, now in the cache.
        case download
    }
    public let url: URL
    public let origin: Origin
    public let digest: FileDigest
    /// To be shown to the user.
    public let warning: DatasetWarning?
}

/// Where the files of datasets come from. In this order:
///
/// 1. the folder given with `--data`, and no other place when it is given: who names a folder means that folder;
/// 2. the folder in `NSTM_DATA`;
/// 3. the cache: `$XDG_CACHE_HOME/nstm`, else `~/Library/Caches/nstm` on macOS and `~/.cache/nstm` elsewhere;
/// 4. the official place on the network, into the cache.
///
/// A folder of the user's may hold the file directly or in a folder named after the dataset, or be the file itself. It may differ
/// from the published file, with a warning, and lack its gzip layer; in the cache only the published file counts, and a damaged one is fetched again.
public struct DatasetFolder: Sendable {
    /// Bytes so far and in all. Called from another thread, in order.
    public typealias Progress = @Sendable (_ received: Int, _ total: Int) -> Void

    /// `--data`.
    public let given: URL?
    /// `NSTM_DATA`.
    public let ambient: URL?
    public let cache: URL

    /// - Parameters:
    ///   - folder: the value of `--data`.
    ///   - environment: read for `NSTM_DATA`, `XDG_CACHE_HOME` and `HOME`.
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

    /// Finds a file, or fetches it. Blocks until it is there.
    /// - Parameters:
    ///   - download: false to stay off the network.
    ///   - progress: called while bytes arrive.
    /// - Throws: `DatasetError`. A fetch that fails leaves the cache as it was.
    public func resolve(
        _ source: DatasetSource, download: Bool = true, progress: Progress? = nil
    ) throws(DatasetError) -> DatasetFile {
        var lookedAt: [String] = []
        for folder in given.map({ [$0] }) ?? ambient.map({ [$0] }) ?? [] {
            let folders = [folder, folder.appendingPathComponent(source.dataset)]
            let places = [folder] + folders.flatMap { f in source.names.map { f.appendingPathComponent($0) } }
            if let file = places.first(where: isFile) { return try userFile(file, source) }
            let note = FileManager.default.fileExists(atPath: folder.path) ? "" : " (there is no \(folder.path))"
            lookedAt += places.dropFirst().map { $0.path + note }
        }
        if given != nil { throw notFound(source, lookedAt) }

        let cached = cache.appendingPathComponent(source.dataset).appendingPathComponent(source.file)
        if isFile(cached), case let digest = try FileDigest(contentsOf: cached) {
            if digest == source.digest { return DatasetFile(url: cached, origin: .cache, digest: digest, warning: nil) }
            lookedAt.append(cached.path + " (damaged: it is not the published file)")
        } else {
            lookedAt.append(cached.path)
        }
        guard download else { throw notFound(source, lookedAt) }
        try Download(source: source, destination: cached, lookedAt: lookedAt, progress: progress).run()
        return DatasetFile(url: cached, origin: .download, digest: source.digest, warning: nil)
    }

    /// A file of the user's own: of this name in the folder that was given, or the file that was given; else where its path says.
    /// - Throws: `DatasetError.unreadable` when there is none.
    public func file(_ path: String) throws(DatasetError) -> URL {
        let own = URL(fileURLWithPath: path)
        let places = (given.map { [$0, $0.appendingPathComponent(own.lastPathComponent)] } ?? []) + [own]
        if let file = places.first(where: isFile) { return file }
        // What is there and is no file is refused by whoever reads it, in words that say what it is.
        if FileManager.default.fileExists(atPath: own.path) { return own }
        let reason = "there is no such file. Where it lies now can be said with --data FOLDER or --set data.file=PATH"
        throw .unreadable(path: path, reason: reason)
    }
    /// The full path of what `file` finds; where there is nothing, the path itself. For `ConfigurationReader.file`: a configuration then
    /// names the file that was read.
    public func location(of path: String) -> String { (try? file(path))?.standardizedFileURL.path ?? path }
    private func isFile(_ url: URL) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) && !isFolder.boolValue
    }
    private func userFile(_ file: URL, _ source: DatasetSource) throws(DatasetError) -> DatasetFile {
        let digest = try FileDigest(contentsOf: file)
        let warning: DatasetWarning? =
            digest == source.digest || digest == source.unpacked
            ? nil : .notThePublishedFile(path: file.path, expected: source.digest, found: digest)
        return DatasetFile(url: file, origin: .user, digest: digest, warning: warning)
    }
    private func notFound(_ source: DatasetSource, _ lookedAt: [String]) -> DatasetError {
        .notFound(
            dataset: source.dataset, file: source.file, lookedAt: lookedAt, address: source.address.absoluteString)
    }
}
