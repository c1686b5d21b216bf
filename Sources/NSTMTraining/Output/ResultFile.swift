import Foundation
import NSTMSystem

/// Atomic writing of result files: a reader sees either the old or the new file in full.
package enum ResultFile {
    /// Writes a file, and creates its folder if it does not exist.
    /// - Throws: `SeriesError.unwritable`.
    package static func write(_ text: String, to file: URL) throws(SeriesError) {
        do {
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file, options: .atomic)
        } catch {
            throw .unwritable(path: file.path, reason: error.plainReason)
        }
    }
}
