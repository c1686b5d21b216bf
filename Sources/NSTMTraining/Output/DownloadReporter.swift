import Foundation
import Synchronization

/// A reporter of the progress of a download: a line that is updated on a terminal; elsewhere a line at the start and one at the
/// end.
public final class DownloadReporter: Sendable {
    private let isTerminal: Bool
    private let write: @Sendable (String) -> Void
    private let shown = Mutex(-1)

    /// - Parameters:
    ///   - isTerminal: whether to update a line in place.
    ///   - write: receives the text; nil for standard error.
    public init(isTerminal: Bool = isatty(STDERR_FILENO) == 1, write: (@Sendable (String) -> Void)? = nil) {
        self.isTerminal = isTerminal
        self.write = write ?? { Console.write($0, to: .error) }
    }
    /// The callback for `DatasetFolder.resolve` and `OpenedDataset.Options`.
    public var progress: @Sendable (_ received: Int, _ total: Int) -> Void { { self.show($0, of: $1) } }

    private func show(_ received: Int, of total: Int) {
        let percent = total > 0 ? min(100, 100 * received / total) : 100
        shown.withLock { last in
            guard percent > last, isTerminal || last < 0 || percent == 100 else { return }
            last = percent
            let megabytes = String(format: "%.1f of %.1f MB", Double(received) / 1e6, Double(total) / 1e6)
            guard isTerminal else { return write("downloading: \(megabytes)\n") }
            let filled = percent / 5
            let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 20 - filled)
            write("\r\u{1B}[2Kdownloading [\(bar)] \(megabytes)" + (percent == 100 ? "\n" : ""))
        }
    }
}
