import Foundation
import NSTMData
import NSTMModules

/// An evaluation of trained models on one dataset, clean and with noise of several kinds and strengths on the inputs.
package struct RobustnessStudy {
    /// The dataset without noise.
    package let dataset: any Dataset
    /// All noises of the study.
    package let noises: [InputNoise]
    /// Seed of the noise, which is the same for every model.
    package let seed: Int
    /// Number of sequences of an evaluation batch.
    package var batch: Int
    /// Maximum number of evaluation batches, spread evenly over the split; nil for all.
    package var limit: Int?
    /// The results so far.
    package private(set) var results: [Result] = []

    /// The metrics of a run with a noise.
    package struct Result: Sendable {
        /// Name of the model, which is the same for runs with different seeds.
        package var model: String
        /// Name of the run.
        package var run: String
        /// The noise; nil for clean inputs.
        package var noise: InputNoise?
        /// Metrics of the evaluation.
        package var metrics: Metrics

        package init(model: String, run: String, noise: InputNoise?, metrics: Metrics) {
            self.model = model
            self.run = run
            self.noise = noise
            self.metrics = metrics
        }
    }

    /// - Parameters:
    ///   - dataset: the dataset without noise.
    ///   - kinds: kinds of noise; nil for all that apply to the inputs.
    ///   - strengths: strengths for all kinds; nil for those of each kind (`InputNoise.Kind.strengths`). Clean inputs are always
    ///     evaluated.
    ///   - seed: seed of the noise.
    ///   - batch: number of sequences of an evaluation batch.
    ///   - limit: maximum number of evaluation batches; nil for all.
    /// - Throws: `DatasetError.invalid` with the issues of all noises.
    package init(
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

    /// Evaluates a model with all noises and adds the results.
    /// - Parameter each: called with every result.
    /// - Throws: `TrainingError.unfit` when the model is not compatible with the dataset.
    package mutating func measure(_ model: SequenceModel, name: String, run: String, each: (Result) -> Void = { _ in }) throws {
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

    /// The report on all results.
    /// - Parameters:
    ///   - reference: name of the model whose errors are the denominators of corruption errors; nil for the first.
    ///   - command: command line for the report.
    package func report(reference: String? = nil, command: String = "") -> RobustnessReport {
        RobustnessReport(
            results, target: dataset.targetKind, reference: reference, introduction: introduction,
            provenance: Provenance(command: command).markdown)
    }
    private var introduction: String {
        let all = dataset.evaluationBatches(size: batch, limit: limit)
        let sequences = all.reduce(0) { $0 + $1.sequenceCount }
        return "The inputs of the evaluation split of \(Markdown.plain(dataset.name)) are corrupted, the targets are not: "
            + "\(ProgressReporter.count(Double(sequences))) sequences, noise with seed \(seed), the same for every model."
    }
}

extension TargetKind {
    /// The error metric of a robustness study; smaller is better.
    var error: (name: String, of: (Metrics) -> Double) {
        switch self {
        case .nextToken: ("loss", { $0["loss"] ?? .nan })
        case .answers: ("1 − accuracy", { 1 - ($0["accuracy"] ?? .nan) })
        case .binary: ("bit-errors", { $0["bit-errors"] ?? .nan })
        case .values: ("mse", { $0["mse"] ?? .nan })
        case .classes: ("1 − accuracy", { 1 - ($0["accuracy"] ?? .nan) })
        }
    }
}
