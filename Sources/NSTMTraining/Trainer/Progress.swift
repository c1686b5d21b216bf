import Foundation
import NSTMLayers

/// What a training run tells while it runs.
public enum TrainingEvent: Sendable {
    /// After every step.
    case step(StepReport)
    case evaluated(step: Int, Metrics)
    case saved(URL, step: Int)
    /// Something to know that does not stop the run: a warning.
    case note(String)
    /// A state was born or has died.
    case life(StateEvent)
}

public struct StepReport: Sendable {
    /// Steps done, and to do in all.
    public let step: Int, steps: Int
    public let loss: Double
    public let rate: Double
    public let gradientNorm: Double
    public let tokensPerSecond: Double
    /// Seconds to the last step at the present speed.
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

/// Writes progress for people: one line that renews itself on a terminal, plain lines now and then elsewhere. Warnings go to a
/// stream of their own.
public final class ProgressReporter {
    private let isTerminal: Bool
    private let write: (String) -> Void
    private let warn: (String) -> Void
    private var lastLine = Date.distantPast
    private var isOpen = false
    private let interval: TimeInterval

    /// - Parameters:
    ///   - write: where progress and results go; standard output when nil.
    ///   - warn: where warnings go; standard error when nil.
    public init(
        isTerminal: Bool = isatty(STDOUT_FILENO) == 1, write: ((String) -> Void)? = nil, warn: ((String) -> Void)? = nil
    ) {
        self.isTerminal = isTerminal
        self.write = write ?? { Console.write($0) }
        self.warn = warn ?? { Console.write($0, to: .error) }
        interval = isTerminal ? 0.2 : 10
    }

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
        case .life(let e):
            let score = String(format: "%.4g", e.score)
            line("step \(e.step)  state \(e.state) of \(e.layer) \(e.kind.rawValue): \(e.reason) (\(score))")
        }
    }
    private func line(_ text: String) {
        clear()
        write(text.printable + "\n")
    }
    /// Takes an open progress line away.
    private func clear() {
        if isOpen { write("\r\u{1B}[2K") }
        isOpen = false
    }
    /// Ends an open progress line.
    public func close() {
        if isOpen { write("\n") }
        isOpen = false
    }

    /// A line that is longer than the terminal cannot be renewed.
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
