import Foundation
import NSTMSystem

/// Atomic writing of result files: a reader sees either the old or the new file in full.
package enum ResultFile {
    /// Creates a folder for results if it does not exist, so that long work does not end with a path that cannot be written.
    /// - Throws: `SeriesError.unwritable`.
    package static func prepare(_ folder: URL) throws(SeriesError) {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder), !isFolder.boolValue {
            throw .unwritable(path: folder.path, reason: "it is a file, not a folder")
        }
        do { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) } catch {
            throw .unwritable(path: folder.path, reason: error.plainReason)
        }
        guard access(folder.path, W_OK | X_OK) == 0 else {
            throw .unwritable(path: folder.path, reason: String(cString: strerror(errno)))
        }
    }

    /// Writes a file, and creates its folder if it does not exist.
    /// - Throws: `SeriesError.unwritable`.
    package static func write(_ text: String, to file: URL) throws(SeriesError) {
        try prepare(file.deletingLastPathComponent())
        do { try Data(text.utf8).write(to: file, options: .atomic) } catch {
            throw .unwritable(path: file.path, reason: error.plainReason)
        }
    }
}
