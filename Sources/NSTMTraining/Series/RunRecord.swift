import Foundation
import NSTMConfiguration
import NSTMData
import NSTMModules

/// A run of a series: its complete configuration and its folder.
package struct PlannedRun: Sendable, Equatable {
    /// Path of the run's folder, relative to that of the series, such as `nstm-delta/seed-1`.
    package let id: String
    /// Title for messages.
    package let title: String
    /// The complete configuration.
    package let configuration: ConfigurationValue
    /// Identifier of the group; the runs of a group differ only in the seed.
    package let group: String
    /// The target whose first step is recorded; nil without one.
    package let target: TrainingSettings.Target?
    package init(
        id: String, title: String, group: String, configuration: ConfigurationValue, target: TrainingSettings.Target? = nil
    ) {
        self.id = id
        self.title = title
        self.group = group
        self.target = target
        self.configuration = configuration
    }
}

/// The result of a run of a series, stored as `run.json` in its folder.
package struct RunRecord: Codable, Sendable, Equatable {
    /// The status of a run.
    package enum StopReason: String, Codable, Sendable {
        /// Incomplete: running, stopped or killed.
        case open
        case finished
        case targetReached = "target-reached"
        case noImprovement = "no-improvement"
        case timeLimit = "time-limit"
        /// The loss or the gradient became non-finite, in a series in which that is a result.
        case diverged
        /// Ended by an error.
        case failed
    }
    /// Status of the run.
    package var ending = StopReason.open
    /// Message of the error that ended the run; nil without one.
    package var error: String?
    /// Fingerprint of the data; nil before it was opened.
    package var data: String?
    /// Number of completed training steps.
    package var step = 0
    /// Number of positions that contributed to the loss.
    package var tokens = 0
    /// Number of trainable parameters.
    package var parameters = 0
    /// Size of the model's cache after one evaluation sequence, in bytes; 0 if it does not support streaming.
    package var stateBytes = 0
    /// Metrics of the last evaluation, by name.
    package var metrics: [String: Double] = [:]
    /// Training speed in positions per second: median over steps.
    package var tokensPerSecond = 0.0
    /// Step of the first evaluation that reached the target of the run; nil if none did.
    package var targetStep: Int?
    /// Wall time including evaluations and checkpoints, summed over all sessions, in seconds.
    package var seconds = 0.0
    package init() {}

    /// Whether the run is complete, so that it is not repeated.
    package var isOver: Bool { ending != .open && ending != .failed }

    static func file(in folder: URL) -> URL { folder.appendingPathComponent("run.json") }
    static func read(in folder: URL) -> RunRecord? {
        (try? InputFile.read(file(in: folder), atMost: .max)).flatMap { try? JSONDecoder.exact.decode(RunRecord.self, from: $0) }
    }
    func write(in folder: URL) throws {
        try ResultFile.write(String(decoding: try JSONEncoder.exact.encode(self), as: UTF8.self), to: RunRecord.file(in: folder))
    }
}

extension RunRecord.StopReason {
    init(_ ending: Trainer.StopReason) {
        switch ending {
        case .finished: self = .finished
        case .targetReached: self = .targetReached
        case .noImprovement: self = .noImprovement
        case .timeLimit: self = .timeLimit
        case .stopped: self = .open
        }
    }
}

/// The evaluations and speeds that a run has logged.
struct RunHistory {
    var evaluations: [(step: Int, metrics: [String: Double])] = []
    /// Speed of each step, in positions per second.
    var speeds: [Double] = []

    /// The history in a metrics log.
    ///
    /// Unreadable lines are skipped, because the last one may be truncated.
    init(_ log: URL) {
        for line in (try? MetricsLog.lines(of: log)) ?? [] {
            guard let map = line.fields, let step = line.step else { continue }
            if case .double(let speed)? = map["tokens-per-second"] { speeds.append(speed) }
            var metrics: [String: Double] = [:]
            for (key, value) in map.pairs where key.hasPrefix("validation-") {
                switch value {
                case .double(let number): metrics[String(key.dropFirst(11))] = number
                case .int(let number): metrics[String(key.dropFirst(11))] = Double(number)
                default: metrics[String(key.dropFirst(11))] = .nan
                }
            }
            if !metrics.isEmpty { evaluations.append((step, metrics)) }
        }
    }
    /// The step of the first evaluation that reached a target; nil if none did.
    func step(reaching target: TrainingSettings.Target) -> Int? {
        evaluations.first { $0.metrics[target.metric].map(target.isReached(by:)) ?? false }?.step
    }
    var medianSpeed: Double { speeds.sorted().dropFirst(speeds.count / 2).first ?? 0 }
}

extension JSONEncoder {
    /// An encoder with indentation, sorted keys, and infinities and NaN as strings.
    static var exact: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: ".inf", negativeInfinity: "-.inf", nan: ".nan")
        return encoder
    }
}
extension JSONDecoder {
    /// A decoder for the output of `JSONEncoder.exact`.
    static var exact: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: ".inf", negativeInfinity: "-.inf", nan: ".nan")
        return decoder
    }
}
