import Foundation
import NSTMSystem

/// Writes a file of results as a whole: a reader finds the old file or the new one, and nothing in between.
package enum ResultFile {
    /// Makes the folder too, if need be.
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
