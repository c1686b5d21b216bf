import Foundation

/// A folder that lives as long as the value.
final class Scratch: Sendable {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("nstm-data-\(UUID().uuidString)")
    var path: String { url.path }

    init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(at: url) }

    /// Writes a file, with the folders on the way to it.
    @discardableResult func write(_ path: String, _ content: Data) throws -> URL {
        let file = url.appendingPathComponent(path)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try content.write(to: file)
        return file
    }
    /// Everything below the folder, hidden files too.
    func listing() -> [String] { (FileManager.default.enumerator(atPath: path)?.allObjects as? [String] ?? []).sorted() }
}
