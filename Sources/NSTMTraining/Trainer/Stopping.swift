import NSTMConfiguration
import NSTMData
import NSTMModules

extension TrainingSettings {
    /// Ends a run early once a validation metric has reached a bound.
    public struct Target: Sendable, Equatable, CustomStringConvertible {
        public enum Bound: Sendable, Equatable { case atMost(Double), atLeast(Double) }
        public var metric: String
        public var bound: Bound
        public init(_ metric: String, _ bound: Bound) {
            self.metric = metric
            self.bound = bound
        }
        /// A metric that was not measured, or is not a number, reaches nothing.
        public func isReached(by metrics: Metrics) -> Bool {
            metrics[metric].map(isReached(by:)) ?? false
        }
        /// Whether a value of the metric reaches the bound.
        package func isReached(by value: Double) -> Bool {
            switch bound {
            case .atMost(let limit): return value <= limit
            case .atLeast(let limit): return value >= limit
            }
        }
        public var description: String {
            switch bound {
            case .atMost(let limit): "\(metric) at most \(limit)"
            case .atLeast(let limit): "\(metric) at least \(limit)"
            }
        }

        /// Reads `metric` and one of `at-most` and `at-least`; nil without a metric.
        package init?(_ config: ConfigurationReader) {
            guard let metric = Metrics.name("metric", in: config) else { return nil }
            let most = config.optionalDouble("at-most", in: -Double.infinity...Double.infinity)
            let least = config.optionalDouble("at-least", in: -Double.infinity...Double.infinity)
            if most != nil && least != nil { config.addIssue("at-least", "either at-most or at-least, not both") }
            if let least {
                self.init(metric, .atLeast(least))
            } else if most == nil && Metrics.rises(metric) {
                self.init(metric, .atLeast(config.double("at-least", default: 1)))
            } else {
                self.init(metric, .atMost(config.double("at-most", default: 0)))
            }
        }
    }

    /// Ends a run once a validation metric no longer improves.
    public struct EarlyStopping: Sendable, Equatable, CustomStringConvertible {
        public var metric: String
        /// The least that counts as an improvement over the best value so far.
        public var minDelta: Double
        /// Evaluations without one that end the run.
        public var patience: Int
        public init(_ metric: String = "loss", minDelta: Double = 0, patience: Int) {
            self.metric = metric
            self.minDelta = minDelta
            self.patience = patience
        }
        public var description: String { "\(metric) no better by more than \(minDelta) in \(patience) evaluations" }

        /// Reads `patience`, `metric` and `min-delta`; nil without a patience.
        package init?(_ config: ConfigurationReader) {
            guard let patience = config.optionalInt("patience", in: 1...1_000_000) else { return nil }
            let metric = Metrics.name("metric", in: config, default: "loss") ?? "loss"
            self.init(metric, minDelta: config.double("min-delta", default: 0, in: 0...1e9), patience: patience)
        }

        /// How far the waiting is; belongs to a run and is kept in its checkpoints.
        package struct Progress: Codable, Equatable {
            package var best: Double?
            /// Evaluations since the best one.
            package var waited = 0
            package init(best: Double? = nil, waited: Int = 0) {
                self.best = best
                self.waited = waited
            }
        }
        package func add(_ metrics: Metrics, to progress: inout Progress) {
            guard let value = metrics[metric] else { return }
            let gain = progress.best.map { Metrics.rises(metric) ? value - $0 : $0 - value } ?? .infinity
            // NaN is no improvement and no best value.
            if gain > minDelta && !value.isNaN {
                progress = Progress(best: value)
            } else {
                progress.waited += 1
            }
        }
    }
}

extension TrainingSettings {
    /// Checks that a dataset has the metrics of the stopping criteria, and lengths for a curriculum.
    /// - Throws: `TrainingError.noSuchMetric`, `TrainingError.noLengths`.
    func check(on dataset: any Dataset) throws(TrainingError) {
        let known = Metrics.names(for: dataset.targetKind)
        for metric in [target?.metric, earlyStopping?.metric].compactMap(\.self) where !known.contains(metric) {
            throw TrainingError.noSuchMetric(metric, dataset: dataset.name, known: known)
        }
        if curriculum != nil, dataset.trainingLengths == nil { throw TrainingError.noLengths(dataset: dataset.name) }
    }
}

extension Metrics {
    /// Reads the name of a metric; nil when the key is absent and has no default.
    static func name(_ key: String, in config: ConfigurationReader, default: String? = nil) -> String? {
        guard let name = config.optionalString(key) ?? `default` else { return nil }
        check(name, key, in: config)
        return name
    }
    /// Records an issue of a key if a name is not that of a metric.
    static func check(_ name: String, _ key: String, in config: ConfigurationReader) {
        if !allNames.contains(name) {
            config.addIssue(key, "'\(name)' is not a metric; known metrics: \(allNames.joined(separator: ", "))")
        }
    }
}
