import Foundation
import NSTMLayers
import NSTMModules

/// One JSON object a line, for tools. When a run goes on from a checkpoint, lines of steps after it are dropped first, so that
/// the file reads as one run.
final class MetricsLog {
    private let handle: FileHandle
    private let path: String

    init(_ url: URL, keepingUntil step: Int) throws {
        path = url.path
        var kept = ""
        if step > 0, let old = try? String(contentsOf: url, encoding: .utf8) {
            for line in old.split(separator: "\n") {
                let value = try? ConfigValue(json: String(line))
                guard case .int(let n)? = value?[path: "step"], n <= step else { continue }
                kept += line + "\n"
            }
        }
        do {
            try Data(kept.utf8).write(to: url, options: .atomic)
            handle = try FileHandle(forWritingTo: url)
            try handle.seekToEnd()
        } catch {
            throw TrainingError.log(path: url.path, reason: "cannot be written: \(error.localizedDescription)")
        }
    }
    func write(_ fields: [(String, ConfigValue)]) throws {
        do {
            try handle.write(contentsOf: Data((ConfigValue.map(ConfigMap(fields)).json(indent: nil) + "\n").utf8))
        } catch {
            throw TrainingError.log(path: path, reason: "cannot be written: \(error.localizedDescription)")
        }
    }
    func write(_ event: StateEvent) throws {
        try write([
            ("step", .int(event.step)), ("event", .string(event.kind.rawValue)), ("layer", .string(event.layer)),
            ("state", .int(event.state)), ("score", .double(event.score)), ("reason", .string(event.reason)),
        ])
    }
    deinit { try? handle.close() }
}
