import Foundation
import NSTMData
import NSTMModules

/// Measures trained models on the evaluation split of one dataset, clean and with noise of several kinds and strengths on the inputs.
public struct RobustnessStudy {
    public let dataset: any Dataset
    public let noises: [InputNoise]
    /// Of the noise, which is the same for every model.
    public let seed: Int
    /// Sequences of an evaluation batch, and how many batches, spread over the split; nil for all.
    public var batch: Int
    public var limit: Int?
    public private(set) var results: [Result] = []

    /// What one run gave under one noise.
    public struct Result: Sendable {
        /// Runs of the same model, trained from other seeds, have the same name.
        public var model: String
        public var run: String
        /// Nil for clean inputs.
        public var noise: InputNoise?
        public var metrics: Metrics

        public init(model: String, run: String, noise: InputNoise?, metrics: Metrics) {
            self.model = model
            self.run = run
            self.noise = noise
            self.metrics = metrics
        }
    }

    /// - Parameters:
    ///   - kinds: nil for all that fit the inputs.
    ///   - strengths: the same for all kinds; nil for those of each kind (`InputNoise.Kind.strengths`). Clean inputs are always measured.
    /// - Throws: `DatasetError.invalid` with every issue.
    public init(
        _ dataset: any Dataset, kinds: [InputNoise.Kind]? = nil, strengths: [Double]? = nil, seed: Int = 1, batch: Int = 32,
        limit: Int? = nil
    ) throws {
        let chosen = kinds ?? InputNoise.Kind.allCases.filter { InputNoise($0, strength: 0).issues(for: dataset).isEmpty }
        let noises = chosen.flatMap { kind in (strengths ?? kind.strengths).map { InputNoise(kind, strength: $0) } }
        try NoisyDataset.check(noises, on: dataset)
        self.dataset = dataset
        self.noises = noises.reduce(into: []) { all, noise in
            if noise.strength > 0 && !all.contains(noise) { all.append(noise) }
        }
        self.seed = seed
        self.batch = batch
        self.limit = limit
    }

    /// Measures a model and keeps what it gave.
    /// - Parameter each: told of every result.
    /// - Throws: `TrainingError.unfit` when the model cannot take the data.
    public mutating func measure(_ model: SequenceModel, name: String, run: String, each: (Result) -> Void = { _ in }) throws {
        try model.check(takes: dataset)
        for noise in [nil] + noises.map(Optional.some) {
            let data: any Dataset = try noise.map { try NoisyDataset(dataset, $0, seed: seed) } ?? dataset
            let batches = data.evaluationBatches(size: batch, limit: limit)
            let result = Result(
                model: name, run: run, noise: noise, metrics: evaluate(model, on: batches, target: dataset.targetKind))
            results.append(result)
            each(result)
        }
    }

    public func report(reference: String? = nil, command: String = "") -> RobustnessReport {
        RobustnessReport(
            results, target: dataset.targetKind, reference: reference, introduction: introduction,
            provenance: Provenance(command: command).markdown)
    }
    private var introduction: String {
        let all = dataset.evaluationBatches(size: batch, limit: limit)
        let sequences = all.reduce(0) { $0 + $1.sequenceCount }
        return "Inputs of the evaluation split of \(Markdown.plain(dataset.name)) are corrupted, targets are not: "
            + "\(ProgressReporter.count(Double(sequences))) sequences, noise of seed \(seed), the same for every model."
    }
}

extension TargetKind {
    /// The measure of a robustness study, the better the smaller it is.
    var error: (name: String, of: (Metrics) -> Double) {
        switch self {
        case .nextToken: ("loss", { $0["loss"] ?? .nan })
        case .answers: ("1 − accuracy", { 1 - ($0["accuracy"] ?? .nan) })
        case .binary: ("bit-errors", { $0["bit-errors"] ?? .nan })
        case .classes: ("1 − accuracy", { 1 - ($0["accuracy"] ?? .nan) })
        }
    }
}
