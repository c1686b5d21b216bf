import Foundation
import NSTMConfiguration
import NSTMData
import NSTMIO
import NSTMLayers
import NSTMModules
import NSTMSystem

/// A log of metrics with one JSON object per line.
///
/// When a run resumes from a checkpoint, lines of later steps are removed first, so that the file is the log of one run.
final class MetricsLog {
    private let descriptor: Int32
    private var url: URL
    /// Number of damaged lines (without a step) of the history, which were kept.
    let unreadableCount: Int
    /// What the history of a resumed run lacks; nil for a complete one.
    let gap: String?

    /// Creates the file with the history of the run.
    /// - Parameters:
    ///   - history: the log of the run so far, which may be the file itself; nil for the file itself.
    ///   - step: last step of the history to keep; 0 for an empty log.
    /// - Throws: `TrainingError.log`; then the history is unchanged.
    init(_ url: URL, history: URL? = nil, keepingUntil step: Int) throws {
        self.url = url
        var kept = Data(), unreadable = 0, steps: Set<Int> = []
        if step > 0 {
            // A damaged line is kept if the line before it is kept.
            var isKeeping = true
            for line in try MetricsLog.lines(of: history ?? url) {
                if let n = line.step { isKeeping = n <= step } else if isKeeping { unreadable += 1 }
                if isKeeping, let n = line.step { steps.insert(n) }
                if isKeeping { kept += line.bytes + [UInt8(ascii: "\n")] }
            }
        }
        unreadableCount = unreadable
        gap = MetricsLog.gap(steps, upTo: step, isMissing: step > 0 && FileIdentity(history ?? url) == nil)
        do { try kept.write(to: url, options: .atomic) } catch {
            throw TrainingError.log(path: url.path, reason: "cannot be written: \(error.plainReason)")
        }
        descriptor = open(url.path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw MetricsLog.error(url.path, errno) }
    }
    deinit { close(descriptor) }

    /// Describes missing steps between the first step of a log, which is not 1 for a derived run, and the last one.
    private static func gap(_ steps: Set<Int>, upTo last: Int, isMissing: Bool) -> String? {
        if isMissing { return "there is no metrics log of the steps up to \(last)" }
        guard let first = steps.min() else { return nil }
        let missing = (first...last).filter { !steps.contains($0) }
        guard let start = missing.first else { return nil }
        return "the metrics log lacks \(missing.count) of the steps up to \(last), the first is step \(start)"
    }

    /// Moves the file to another path, where it replaces an existing one; further lines are written there.
    func move(to target: URL) throws {
        guard rename(url.path, target.path) == 0 else {
            throw TrainingError.log(path: target.path, reason: "cannot be replaced: \(String(cString: strerror(errno)))")
        }
        url = target
    }

    /// Appends a line.
    /// - Throws: `TrainingError.log` when the line cannot be written, or when the file at the path is no longer the one of this
    ///   log.
    func write(_ fields: [(String, ConfigurationValue)]) throws(TrainingError) {
        guard FileIdentity(descriptor: descriptor) == FileIdentity(url) else {
            throw TrainingError.log(path: url.path, reason: "was deleted, moved or replaced while the run wrote to it")
        }
        let line = Data((ConfigurationValue.map(ConfigurationValue.Map(fields)).json(indent: nil) + "\n").utf8)
        let end = lseek(descriptor, 0, SEEK_END)
        let code = line.withUnsafeBytes { writeAll($0, to: descriptor) }
        if code != 0 {
            // Removes a partially written line.
            _ = ftruncate(descriptor, end)
            throw MetricsLog.error(url.path, code)
        }
    }
    private static func error(_ path: String, _ code: Int32) -> TrainingError {
        .log(path: path, reason: "cannot be written: \(String(cString: strerror(code)))")
    }
    func write(_ event: StateEvent) throws(TrainingError) { try write(MetricsLog.fields(event)) }
    static func fields(_ event: StateEvent) -> [(String, ConfigurationValue)] {
        [
            ("step", .int(event.step)), ("event", .string(event.kind.rawValue)), ("layer", .string(event.layer)),
            ("state", .int(event.state)), ("score", .double(event.score)), ("reason", .string(event.reason)),
        ]
    }

    // MARK: Reading

    /// A line of a log.
    struct Line {
        /// The line without its end.
        let bytes: Data
        /// The JSON object; nil when the line is not one.
        let fields: ConfigurationValue.Map?
        var step: Int? { if case .int(let n)? = fields?["step"] { n } else { nil } }
    }
    /// The lines of a log; empty if the file does not exist.
    ///
    /// Lines may end with CR LF, and invalid UTF-8 affects only its line. A last line without an end is incomplete and is
    /// omitted.
    /// - Throws: `TrainingError.log` when the file cannot be read.
    static func lines(of url: URL) throws -> [Line] {
        let data: Data
        guard FileIdentity(url) != nil else { return [] }
        do { data = try InputFile.read(url, atMost: .max) } catch {
            throw TrainingError.log(path: url.path, reason: "cannot be read: \(error.reason)")
        }
        guard let end = data.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
        return data[..<end].split(separator: UInt8(ascii: "\n")).compactMap { line in
            let bytes = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            guard !bytes.isEmpty else { return nil }
            let value = try? ConfigurationValue(json: String(decoding: bytes, as: UTF8.self))
            return if case .map(let map)? = value { Line(bytes: bytes, fields: map) } else { Line(bytes: bytes, fields: nil) }
        }
    }
}
