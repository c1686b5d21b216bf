import Foundation
import NSTMConfiguration
import NSTMData
import NSTMModules

/// A comparison of models that are trained with the same budget.
///
/// All results are written to one folder: the plan, a folder per run, and `results.json`, `table.md` and learning curves, which
/// are updated after every run.
package final class Comparison {
    /// A model on a dataset, with its final size and number of steps.
    package struct Candidate: Sendable {
        /// Name of the model in the plan.
        package let model: String
        /// Name of the dataset in the plan.
        package let dataset: String
        /// Number of trainable parameters.
        package let parameters: Int
        /// The setting that was adjusted to the target number of parameters, and its value; nil if none was.
        package let adjusted: (key: String, value: Int)?
        /// Number of training steps.
        package let steps: Int
        /// Maximum number of positions that a training step reads.
        package let tokensPerStep: Int
        /// The complete configuration without the seed.
        package let configuration: ConfigurationValue
        /// Path of its runs, relative to the folder of the comparison.
        let id: String
    }
    /// The plan.
    package let plan: ComparisonPlan
    /// The output folder.
    package let folder: SeriesFolder
    /// The command that started the comparison, for the report.
    package var command = ""
    /// Called with every event of the series.
    package var onEvent: (SeriesEvent) -> Void = { _ in }
    /// Called during training; true stops the series after the current step, with a checkpoint.
    package var shouldStop: () -> Bool = { false }
    private let registries: Registries
    private let datasets: DatasetFolder

    package init(
        _ plan: ComparisonPlan, in folder: URL, registries: Registries = .standard, datasets: DatasetFolder = DatasetFolder()
    ) {
        self.plan = plan
        self.folder = SeriesFolder(folder)
        self.registries = registries
        self.datasets = datasets
    }

    /// Trains all models with all seeds, except completed runs.
    /// - Parameter resume: whether to continue the series in the folder; otherwise the folder must have no runs.
    /// - Returns: false when `shouldStop` ended it.
    /// - Throws: `SeriesError`, `DatasetError`, and `ConfigurationError` for models that cannot have the target number of
    ///   parameters.
    @discardableResult
    package func run(resume: Bool = false) throws -> Bool {
        let lock = try FolderLock(folder.url)
        defer { lock.release() }
        if let warning = lock.warning { onEvent(.training(.note("warning: \(warning)"))) }
        try folder.check(plan.resolved, fileKeys: plan.fileKeys, resume: resume) {
            try ComparisonPlan($0, registries: registries).resolved
        }
        let candidates = try self.candidates()
        try folder.claim(plan.resolved)
        let runs = plan.seeds.flatMap { seed in candidates.map { planned($0, seed: seed) } }
        let series = RunSeries(runs, in: folder.url, registries: registries, datasets: datasets)
        series.onEvent = onEvent
        series.shouldStop = shouldStop
        func report() throws {
            let rows = candidates.map { candidate in
                ComparisonRow(
                    candidate,
                    plan.seeds.map { seed in
                        let run = planned(candidate, seed: seed), log = RunFolder(series.url(of: run)).metrics
                        return ComparisonRow.Seed(seed: seed, record: series.record(run), history: RunHistory(log))
                    })
            }
            try ComparisonReport(plan, rows, command: command).write(to: folder)
        }
        let isDone = try series.run(report: report)
        try report()
        return isDone
    }

    private func planned(_ candidate: Candidate, seed: Int) -> PlannedRun {
        var config = candidate.configuration
        if case .map(var map) = config {
            map["seed"] = .int(seed)
            config = .map(map)
        }
        let dataset = plan.datasets.count > 1 ? " on \(candidate.dataset)" : ""
        return PlannedRun(
            id: "\(candidate.id)/seed-\(seed)", title: "\(candidate.model)\(dataset), seed \(seed)", group: candidate.id,
            configuration: config)
    }

    // MARK: Preparation

    /// All models with their final sizes and numbers of steps.
    package func candidates() throws -> [Candidate] {
        var result: [Candidate] = [], measured = storedSteps
        for sized in try plan.sizedModels(registries: registries, datasets: datasets) {
            var config = sized.configuration
            let names = (plan.datasets.count > 1 ? [sized.dataset] : []) + [sized.model]
            let id = names.map(PlanParts.slug).joined(separator: "/")
            let experiment = try Experiment(config, registries: registries, folder: datasets)
            let perStep = experiment.settings.batch * sized.data.dataset.contextLength
            let steps: Int
            switch plan.budget {
            case .steps(let own): steps = own
            case .tokens(let tokens): steps = max(1, tokens / perStep)
            case .minutes(let minutes):
                func measure() throws -> Int {
                    max(1, Int(60 * minutes / (try secondsPerStep(config, sized.data, for: min(2, 6 * minutes)))))
                }
                steps = try measured[id] ?? measure()
                measured[id] = steps
            }
            try config.set(path: "training.steps", to: .int(steps))
            result.append(
                Candidate(
                    model: sized.model, dataset: sized.dataset, parameters: sized.parameters, adjusted: sized.adjusted,
                    steps: steps, tokensPerStep: perStep, configuration: config, id: id))
        }
        if measured != storedSteps {
            let map = ConfigurationValue.Map(
                measured.sorted { $0.key < $1.key }.map { ($0.key, ConfigurationValue.int($0.value)) })
            try folder.write(ConfigurationValue.map(map).json() + "\n", to: "steps.json")
        }
        return result
    }

    /// Numbers of steps that were measured for a budget of minutes, by candidate; a resumed comparison uses the same.
    private var storedSteps: [String: Int] {
        guard let bytes = try? InputFile.read(folder.url.appendingPathComponent("steps.json"), atMost: .max),
            case .map(let map)? = try? ConfigurationValue(json: String(decoding: bytes, as: UTF8.self))
        else { return [:] }
        return Dictionary(map.pairs.compactMap { key, value in if case .int(let n) = value { (key, n) } else { nil } }) { a, _ in
            a
        }
    }
    /// Mean duration of a training step in seconds, measured for `seconds` after three warm-up steps.
    private func secondsPerStep(_ config: ConfigurationValue, _ data: OpenedDataset, for seconds: Double) throws -> Double {
        var config = config
        try config.apply(overrides: ["training.steps=1000000000", "training.evaluation.interval=1000000000"])
        let trainer = try Experiment(config, registries: registries, folder: datasets).trainer(data)
        try trainer.run(until: 3)
        let start = Date()
        repeat { try trainer.run(until: trainer.step + 1) } while Date().timeIntervalSince(start) < seconds || trainer.step < 6
        return max(1e-9, Date().timeIntervalSince(start) / Double(trainer.step - 3))
    }
}
