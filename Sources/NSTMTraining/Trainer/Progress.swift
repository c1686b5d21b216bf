import Foundation
import NSTMLayers

/// An event of a training run.
public enum TrainingEvent: Sendable {
    /// A training step is complete.
    case step(Step)
    /// An evaluation is complete.
    case evaluated(step: Int, Metrics)
    /// A checkpoint was saved.
    case saved(URL, step: Int)
    /// A warning.
    case note(String)
    /// A state was allocated or pruned.
    case lifecycle(StateEvent)
}

extension TrainingEvent {
    /// The measurements of a training step.
    public struct Step: Sendable {
        /// Number of completed steps.
        public let step: Int
        /// Total number of steps of the run.
        public let steps: Int
        /// Loss of the batch, without auxiliary losses.
        public let loss: Double
        /// Learning rate of the step.
        public let rate: Double
        /// Global norm of the gradients before clipping.
        public let gradientNorm: Double
        /// Training speed: exponential mean over steps, in positions per second.
        public let tokensPerSecond: Double
        /// Estimated time to the last step, in seconds.
        public let secondsLeft: Double

        package init(
            step: Int, steps: Int, loss: Double, rate: Double, gradientNorm: Double, tokensPerSecond: Double, secondsLeft: Double
        ) {
            self.step = step
            self.steps = steps
            self.loss = loss
            self.rate = rate
            self.gradientNorm = gradientNorm
            self.tokensPerSecond = tokensPerSecond
            self.secondsLeft = secondsLeft
        }
    }
}

/// A reporter of the progress of a run: a line that is updated on a terminal; elsewhere a line every 10 seconds.
///
/// Warnings are written to a separate stream.
public final class ProgressReporter {
    private let isTerminal: Bool
    private let write: (String) -> Void
    private let warn: (String) -> Void
    private var lastLine = Date.distantPast
    private var isOpen = false
    private let interval: TimeInterval

    /// - Parameters:
    ///   - isTerminal: whether to update a line in place.
    ///   - write: receives progress and results; nil for standard output.
    ///   - warn: receives warnings; nil for standard error.
    public init(
        isTerminal: Bool = isatty(STDOUT_FILENO) == 1, write: ((String) -> Void)? = nil, warn: ((String) -> Void)? = nil
    ) {
        self.isTerminal = isTerminal
        self.write = write ?? { Console.write($0) }
        self.warn = warn ?? { Console.write($0, to: .error) }
        interval = isTerminal ? 0.2 : 10
    }

    /// Reports an event.
    public func callAsFunction(_ event: TrainingEvent) {
        switch event {
        case .step(let r):
            let now = Date()
            guard now.timeIntervalSince(lastLine) >= interval || r.step == r.steps || r.step == 1 else { return }
            lastLine = now
            let loss = String(format: "%.4f", r.loss), speed = ProgressReporter.count(r.tokensPerSecond)
            let left = ProgressReporter.duration(r.secondsLeft)
            let text = "step \(r.step)/\(r.steps)  loss \(loss)  \(speed) tokens/s  \(left) left"
            if isTerminal {
                write("\r\u{1B}[2K" + text.prefix(ProgressReporter.terminalWidth - 1))
                isOpen = true
            } else {
                write(text + "\n")
            }
        case .evaluated(let step, let metrics): line("step \(step)  validation: \(metrics)")
        case .saved(let url, _): line("saved \(url.shortPath)")
        case .note(let text):
            // Both streams may be the same terminal.
            clear()
            warn(text.printable + "\n")
        case .lifecycle(let e):
            let score = String(format: "%.4g", e.score)
            line("step \(e.step)  state \(e.state) of \(e.layer) \(e.kind.rawValue): \(e.reason) (\(score))")
        }
    }
    private func line(_ text: String) {
        clear()
        write(text.printable + "\n")
    }
    /// Erases an open progress line.
    private func clear() {
        if isOpen { write("\r\u{1B}[2K") }
        isOpen = false
    }
    /// Ends an open progress line.
    public func close() {
        if isOpen { write("\n") }
        isOpen = false
    }

    /// Columns of the terminal, because a line that is longer cannot be updated in place.
    private static var terminalWidth: Int {
        var size = winsize()
        return ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    }
    package static func count(_ x: Double) -> String {
        guard x.isFinite, abs(x) < 1e15 else { return "?" }
        var rest = Int(x.rounded()), text = ""
        while rest >= 1000 {
            text = "," + String(format: "%03d", rest % 1000) + text
            rest /= 1000
        }
        return "\(rest)" + text
    }
    package static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 1e8 else { return "?" }
        let s = Int(seconds.rounded())
        if s >= 3600 { return "\(s / 3600)h\(String(format: "%02d", s % 3600 / 60))m" }
        return s >= 60 ? "\(s / 60)m\(String(format: "%02d", s % 60))s" : "\(s)s"
    }
}
