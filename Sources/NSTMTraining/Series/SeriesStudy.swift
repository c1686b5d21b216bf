import Foundation
import NSTMConfiguration
import NSTMData
import NSTMModules

/// A plan of several configurations, each of which is trained with the same seeds.
package protocol SeriesPlan: Sendable {
    /// Reads a plan.
    /// - Throws: `ConfigurationError` with every issue of the plan and of all its configurations.
    init(_ plan: ConfigurationValue, registries: Registries) throws(ConfigurationError)
    /// Seeds of the runs of each configuration.
    var seeds: [Int] { get }
    /// The plan with all defaults.
    var resolved: ConfigurationValue { get }
    /// Keys of the plan with the location of a file, as `Experiment.fileKeys`.
    var fileKeys: Set<String> { get }
}

/// A configuration of a series, of which there is a run per seed.
package protocol SeriesEntry {
    /// Path of its runs, relative to the folder of the series.
    var id: String { get }
    /// Title of its runs for messages, without the seed.
    var title: String { get }
    /// The complete configuration without the seed.
    var configuration: ConfigurationValue { get }
    /// The target whose first step is recorded; nil without one.
    var target: TrainingSettings.Target? { get }
}

extension SeriesEntry {
    package var target: TrainingSettings.Target? { nil }

    /// The run with a seed.
    package func run(seed: Int) -> PlannedRun {
        var config = configuration
        if case .map(var map) = config {
            map["seed"] = .int(seed)
            config = .map(map)
        }
        return PlannedRun(
            id: "\(id)/seed-\(seed)", title: "\(title), seed \(seed)", group: id, configuration: config, target: target)
    }
}

/// A study that trains the configurations of a plan in one folder and reports on them after every run: a comparison, a scaling
/// study or a sweep.
package protocol SeriesStudy: AnyObject {
    associatedtype Plan: SeriesPlan
    associatedtype Entry: SeriesEntry
    init(_ plan: Plan, _ session: SeriesSession)
    /// The plan.
    var plan: Plan { get }
    /// The folder and the surroundings of the study.
    var session: SeriesSession { get set }
    /// Whether a diverged run is a result rather than a failure: it has the status `diverged` and is not repeated.
    static var keepsDivergedRuns: Bool { get }

    /// The configurations in the order of the report, checked against their data.
    func entries() throws -> [Entry]
    /// The configurations in the order of training.
    func ordered(_ entries: [Entry]) -> [Entry]
    /// Writes the files of the report.
    /// - Returns: the text for a terminal.
    func report(_ entries: [Entry], _ series: RunSeries) throws -> String
}

extension SeriesStudy {
    package static var keepsDivergedRuns: Bool { false }
    package func ordered(_ entries: [Entry]) -> [Entry] { entries }

    package init(
        _ plan: Plan, in folder: URL, registries: Registries = .standard, datasets: DatasetFolder = DatasetFolder()
    ) {
        self.init(plan, SeriesSession(folder: SeriesFolder(folder), registries: registries, datasets: datasets))
    }
    /// Called with every event of the series.
    package var onEvent: (SeriesEvent) -> Void {
        get { session.onEvent }
        set { session.onEvent = newValue }
    }
    /// Called during training; true stops the series after the current step, with a checkpoint.
    package var shouldStop: () -> Bool {
        get { session.shouldStop }
        set { session.shouldStop = newValue }
    }

    /// Trains all configurations with all seeds, except completed runs.
    ///
    /// Seeds are the outer loop: after the first one, every configuration has a result.
    /// - Parameter resume: whether to continue the series in the folder; otherwise the folder must have no runs.
    /// - Returns: false when `shouldStop` ended it.
    /// - Throws: `SeriesError`, `TrainingError` of the folder, `DatasetError`, and `ConfigurationError` for configurations that
    ///   do not fit their data.
    @discardableResult
    package func run(resume: Bool = false) throws -> Bool {
        let folder = session.folder, lock = try FolderLock(folder.url)
        defer { lock.release() }
        if let warning = lock.warning { onEvent(.training(.note("warning: \(warning)"))) }
        try folder.check(plan.resolved, fileKeys: plan.fileKeys, resume: resume) {
            try Plan($0, registries: session.registries).resolved
        }
        let entries = try self.entries()
        try folder.claim(plan.resolved)
        let order = ordered(entries), runs = plan.seeds.flatMap { seed in order.map { $0.run(seed: seed) } }
        let series = RunSeries(runs, session, keepsDivergedRuns: Self.keepsDivergedRuns)
        func report() throws { session.report = try self.report(entries, series) }
        let isDone = try series.run(report: report)
        try report()
        return isDone
    }
}

/// The folder of a study and what its runs have in common.
package struct SeriesSession {
    /// The output folder.
    package let folder: SeriesFolder
    let registries: Registries
    let datasets: DatasetFolder
    private let opened = OpenedDatasets()
    /// The command that started the study, for the report.
    package var command = ""
    /// Called with every event of the series.
    package var onEvent: (SeriesEvent) -> Void = { _ in }
    /// Called during training; true stops the series after the current step, with a checkpoint.
    package var shouldStop: () -> Bool = { false }
    /// Text of the last report for a terminal.
    package fileprivate(set) var report = ""

    init(folder: SeriesFolder, registries: Registries, datasets: DatasetFolder) {
        self.folder = folder
        self.registries = registries
        self.datasets = datasets
    }
    func experiment(_ configuration: ConfigurationValue) throws -> Experiment {
        try Experiment(configuration, registries: registries, folder: datasets)
    }
    /// The dataset of an experiment, which is opened once for all experiments with the same data.
    func open(_ experiment: Experiment) throws -> OpenedDataset {
        try opened.open(experiment) { onEvent(.training(.note("warning: \($0)"))) }
    }
}

/// Datasets, opened once for all experiments with the same data.
final class OpenedDatasets {
    private var results: [String: Result<OpenedDataset, any Error>] = [:]

    /// The dataset of an experiment.
    /// - Parameter warn: called with the warning of a dataset when it is opened.
    func open(_ experiment: Experiment, warn: (String) -> Void = { _ in }) throws -> OpenedDataset {
        let key = experiment.resolved[path: "data"]?.short ?? ""
        if let known = results[key] { return try known.get() }
        let result = Result { try experiment.openDataset() }
        results[key] = result
        if case .success(let data) = result, let warning = data.warning { warn(warning) }
        return try result.get()
    }
}
