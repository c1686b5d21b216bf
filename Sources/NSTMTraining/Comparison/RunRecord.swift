import Foundation
import NSTMConfiguration
import NSTMData
import NSTMModules

/// One run of a series: a complete configuration, and the folder below that of the series.
public struct PlannedRun: Sendable, Equatable {
    /// Path of the run's folder, such as `nstm-delta/seed-1`.
    public let id: String
    /// For people.
    public let title: String
    public let configuration: ConfigurationValue
    /// Runs of one group differ in nothing but the seed.
    public let group: String
    public init(id: String, title: String, group: String, configuration: ConfigurationValue) {
        self.id = id
        self.title = title
        self.group = group
        self.configuration = configuration
    }
}

/// What came out of a run of a series; `run.json` in its folder.
public struct RunRecord: Codable, Sendable, Equatable {
    public enum StopReason: String, Codable, Sendable {
        /// Not over yet: stopped, or killed.
        case open
        case finished
        case targetReached = "target-reached"
        case noImprovement = "no-improvement"
        case timeLimit = "time-limit"
        case failed
    }
    public var ending = StopReason.open
    /// What went wrong.
    public var error: String?
    /// Fingerprint of the data; nil before it was opened.
    public var data: String?
    public var step = 0
    /// Positions that counted in the loss.
    public var tokens = 0
    public var parameters = 0
    /// What the model carries after one evaluation sequence.
    public var stateBytes = 0
    /// Of the last evaluation, by name.
    public var metrics: [String: Double] = [:]
    /// Positions read in a second: the median over steps.
    public var tokensPerSecond = 0.0
    /// By the clock, with evaluations and checkpoints, over all sittings.
    public var seconds = 0.0
    public init() {}

    public var isOver: Bool { ending != .open && ending != .failed }

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
    /// Positions a second, for each step.
    var speeds: [Double] = []

    /// Lines that cannot be read are passed over: the last one may have been cut off.
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
    var medianSpeed: Double { speeds.sorted().dropFirst(speeds.count / 2).first ?? 0 }
}

extension JSONEncoder {
    /// Readable, in a fixed order, with infinities and NaN as strings.
    static var exact: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: ".inf", negativeInfinity: "-.inf", nan: ".nan")
        return encoder
    }
}
extension JSONDecoder {
    static var exact: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: ".inf", negativeInfinity: "-.inf", nan: ".nan")
        return decoder
    }
}
