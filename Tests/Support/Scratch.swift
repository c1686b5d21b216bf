import Foundation

/// A folder for one test, which is deleted with the value.
public final class Scratch: Sendable {
    public let url = FileManager.default.temporaryDirectory.appendingPathComponent("nstm-\(UUID().uuidString)")
    public var path: String { url.path }

    public init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(at: url) }

    public subscript(name: String) -> URL { url.appendingPathComponent(name) }

    /// Writes a file, and creates its folders.
    @discardableResult public func write(_ name: String, _ content: Data) throws -> URL {
        let file = self[name]
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try content.write(to: file)
        return file
    }
    @discardableResult public func write(_ name: String, _ text: String) throws -> URL { try write(name, Data(text.utf8)) }

    /// Everything below the folder, hidden files too.
    public func listing() -> [String] { (FileManager.default.enumerator(atPath: path)?.allObjects as? [String] ?? []).sorted() }
    /// The entries of one of its folders.
    public func listing(_ name: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: self[name].path)) ?? []).sorted()
    }
}
