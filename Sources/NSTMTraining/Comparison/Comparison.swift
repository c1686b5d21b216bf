import Foundation
import NSTMConfiguration
import NSTMData
import NSTMModules

/// Models trained under one budget and measured side by side. Everything lies in one folder: the plan, a folder for each run,
/// `results.json`, `table.md` and the learning curves, which are written anew after every run.
public final class Comparison {
    /// A model on a dataset, ready to be trained.
    public struct Candidate: Sendable {
        public let model: String
        public let dataset: String
        public let parameters: Int
        /// The setting that was changed for the number of parameters.
        public let adjusted: (key: String, value: Int)?
        public let steps: Int
        /// Positions that a training step reads, at most.
        public let tokensPerStep: Int
        /// Complete, without the seed.
        public let configuration: ConfigurationValue
        /// The folder of its runs.
        let id: String
    }
    public let plan: ComparisonPlan
    public let folder: SeriesFolder
    /// How the comparison was started, for the report.
    public var command = ""
    public var onEvent: (SeriesEvent) -> Void = { _ in }
    public var shouldStop: () -> Bool = { false }
    private let registries: Registries
    private let datasets: DatasetFolder

    public init(
        _ plan: ComparisonPlan, in folder: URL, registries: Registries = .standard, datasets: DatasetFolder = DatasetFolder()
    ) {
        self.plan = plan
        self.folder = SeriesFolder(folder)
        self.registries = registries
        self.datasets = datasets
    }

    /// Runs what is left to run.
    /// - Parameter resume: goes on with what is in the folder; without it the folder must have no runs.
    /// - Returns: false when `shouldStop` ended it.
    /// - Throws: `SeriesError`, `ConfigurationError` for models that cannot be brought to the number of parameters, `DatasetError`.
    @discardableResult
    public func run(resume: Bool = false) throws -> Bool {
        let lock = try FolderLock(folder.url)
        defer { lock.release() }
        if let warning = lock.warning { onEvent(.training(.note("warning: \(warning)"))) }
        try folder.check(plan.resolved, places: plan.places, resume: resume) {
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
                        let run = planned(candidate, seed: seed), log = RunFolder(series.place(run)).metrics
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
        let place = plan.datasets.count > 1 ? " on \(candidate.dataset)" : ""
        return PlannedRun(
            id: "\(candidate.id)/seed-\(seed)", title: "\(candidate.model)\(place), seed \(seed)", group: candidate.id,
            configuration: config)
    }

    // MARK: Preparing

    /// Brings every model to its number of parameters and its number of steps.
    package func candidates() throws -> [Candidate] {
        var result: [Candidate] = [], measured = storedSteps
        for sized in try plan.sizedModels(registries: registries, datasets: datasets) {
            var config = sized.configuration
            let id = (plan.datasets.count > 1 ? [sized.dataset] : []) + [sized.model]
            let place = id.map(PlanParts.slug).joined(separator: "/")
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
                steps = try measured[place] ?? measure()
                measured[place] = steps
            }
            try config.set(path: "training.steps", to: .int(steps))
            result.append(
                Candidate(
                    model: sized.model, dataset: sized.dataset, parameters: sized.parameters, adjusted: sized.adjusted,
                    steps: steps, tokensPerStep: perStep, configuration: config, id: place))
        }
        if measured != storedSteps {
            let map = ConfigurationMap(measured.sorted { $0.key < $1.key }.map { ($0.key, ConfigurationValue.int($0.value)) })
            try folder.write(ConfigurationValue.map(map).json() + "\n", to: "steps.json")
        }
        return result
    }

    /// Steps that were measured for a budget of minutes: a comparison that goes on keeps them.
    private var storedSteps: [String: Int] {
        guard let bytes = try? InputFile.read(folder.url.appendingPathComponent("steps.json"), atMost: .max),
            case .map(let map)? = try? ConfigurationValue(json: String(decoding: bytes, as: UTF8.self))
        else { return [:] }
        return Dictionary(map.pairs.compactMap { key, value in if case .int(let n) = value { (key, n) } else { nil } }) { a, _ in
            a
        }
    }
    /// The mean over the steps of some seconds, after the first three.
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
