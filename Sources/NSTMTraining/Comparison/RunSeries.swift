import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMData
import NSTMIO
import NSTMModules
import NSTMSystem

/// Many training runs, one after the other, in subfolders of one folder. A series that was stopped or killed goes on where it was,
/// to the bit; runs that are over are not repeated; a run that fails does not keep the others from running.
public final class RunSeries {
    public let folder: URL
    public let runs: [PlannedRun]
    /// Told of everything that happens.
    public var onEvent: (SeriesEvent) -> Void = { _ in }
    /// Asked after every step; true saves and ends the series.
    public var shouldStop: () -> Bool = { false }
    private let registries: Registries
    private let datasets: DatasetFolder
    private var opened: [String: OpenedDataset] = [:]

    public init(
        _ runs: [PlannedRun], in folder: URL, registries: Registries = .standard, datasets: DatasetFolder = DatasetFolder()
    ) {
        self.runs = runs
        self.folder = folder
        self.registries = registries
        self.datasets = datasets
    }

    /// The folder of a run.
    public func place(_ run: PlannedRun) -> URL { folder.appendingPathComponent(run.id) }
    /// What is known of a run; nil before it began.
    public func record(_ run: PlannedRun) -> RunRecord? { RunRecord.read(in: place(run)) }

    /// Does what is left to do. Failed runs are tried again, from their last checkpoint.
    /// - Parameter report: called after every run.
    /// - Returns: false when `shouldStop` ended it.
    /// - Throws: `SeriesError.otherData` before anything is run.
    public func run(report: () throws -> Void) throws -> Bool {
        try checkData()
        for (i, run) in runs.enumerated() where record(run)?.isOver != true {
            if shouldStop() { return false }
            onEvent(.began(run, number: i + 1, of: runs.count, secondsLeft: secondsLeft))
            let record = try execute(run)
            onEvent(.ended(run, record))
            if record.ending == .open { return false }
            try report()
        }
        return true
    }

    /// From what runs of the same group took, or all runs where there are none.
    private var secondsLeft: Double? {
        let done = runs.compactMap { run in record(run).flatMap { $0.isOver ? (run.group, $0.seconds) : nil } }
        guard !done.isEmpty else { return nil }
        func mean(_ seconds: [Double]) -> Double { seconds.reduce(0, +) / Double(max(1, seconds.count)) }
        return runs.reduce(0) { sum, run in
            let known = record(run)
            if known?.isOver == true { return sum }
            let own = done.filter { $0.0 == run.group }.map(\.1)
            return sum + max(0, mean(own.isEmpty ? done.map(\.1) : own) - (known?.seconds ?? 0))
        }
    }

    /// Sees to it that runs which are over, or have begun, had the data that the others get, wherever it is stored now.
    private func checkData() throws {
        for run in runs {
            guard let saved = record(run)?.data else { continue }
            let dataset = try open(try Experiment(run.configuration, registries: registries, folder: datasets)).dataset
            guard saved == dataset.fingerprint else {
                throw SeriesError.otherData(
                    folder: place(run).path, dataset: dataset.name, saved: saved, found: dataset.fingerprint)
            }
        }
    }

    private func execute(_ run: PlannedRun) throws -> RunRecord {
        let place = place(run), begun = Date()
        var record = record(run) ?? RunRecord()
        let before = record.seconds
        record.error = nil
        record.ending = .open
        do {
            let experiment = try Experiment(run.configuration, registries: registries, folder: datasets)
            let data = try open(experiment), trainer = try experiment.trainer(data, folder: place)
            record.data = data.dataset.fingerprint
            record.parameters = trainer.model.parameters.trainableCount
            if let latest = try RunFolder(place).newest() {
                if let warning = FoundCheckpoint.warning(latest.skipped) { onEvent(.training(.note(warning))) }
                try trainer.restore(CheckpointFile.read(latest.info.url))
            }
            trainer.shouldStop = shouldStop
            trainer.onEvent = { [self] event in
                if case .saved = event {
                    // What a killed process has spent since its last checkpoint is lost, and so are the steps.
                    record.seconds = before + Date().timeIntervalSince(begun)
                    try? record.write(in: place)
                }
                onEvent(.training(event))
            }
            record.ending = RunRecord.StopReason(try trainer.run())
            record.step = trainer.step
            record.tokens = trainer.tokens
            let history = RunHistory(RunFolder(place).metrics)
            record.metrics = history.evaluations.last?.metrics ?? [:]
            record.tokensPerSecond = history.medianSpeed
            if record.isOver { record.stateBytes = stateBytes(trainer.model, data.dataset) }
        } catch {
            record.ending = .failed
            record.error = error.plainReason
        }
        record.seconds = before + Date().timeIntervalSince(begun)
        try record.write(in: place)
        return record
    }

    /// A dataset that several runs share is opened once.
    private func open(_ experiment: Experiment) throws -> OpenedDataset {
        let key = experiment.resolved[path: "data"]?.short ?? ""
        if let known = opened[key] { return known }
        let data = try experiment.openDataset()
        if let warning = data.warning { onEvent(.training(.note("warning: \(warning)"))) }
        opened[key] = data
        return data
    }
    private func stateBytes(_ model: SequenceModel, _ dataset: any Dataset) -> Int {
        guard model.streamingLimitation == nil, let batch = dataset.evaluationBatches(size: 1, limit: 1).first else { return 0 }
        var state = model.initialState(batch: 1)
        _ = model(batch.inputs, state: &state, ForwardContext(.evaluate))
        return state.byteCount
    }
}

/// What a series tells while it runs.
public enum SeriesEvent: Sendable {
    /// - Parameter secondsLeft: for the whole series, this run included; nil before anything is known.
    case began(PlannedRun, number: Int, of: Int, secondsLeft: Double?)
    case training(TrainingEvent)
    case ended(PlannedRun, RunRecord)
}

/// What keeps a series from beginning or going on.
public enum SeriesError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The folder has another plan's runs.
    case otherPlan(folder: String, differences: [ConfigurationDifference])
    /// The folder has this plan's runs, and nobody asked to go on with them.
    case folderInUse(folder: String)
    case nothingToResume(folder: String)
    /// A run of the folder was trained on data with another fingerprint.
    case otherData(folder: String, dataset: String, saved: String, found: String)
    case unwritable(path: String, reason: String)

    public var description: String {
        switch self {
        case .otherPlan(let folder, let differences):
            "\(folder) has the runs of another plan. Different keys (given, stored):"
                + differences.map { "\n  - \($0)" }.joined()
                + "\nUse another folder (--output), or the plan that is stored there."
        case .folderInUse(let folder):
            "\(folder) has runs already. Go on with them (--resume), or use another folder (--output)."
        case .nothingToResume(let folder): "\(folder): there is no plan.json to go on with"
        case .otherData(let folder, let dataset, let saved, let found):
            "\(folder): was trained on other data than this '\(dataset)': fingerprint \(saved.prefix(16))…, found "
                + "\(found.prefix(16))…. Use the data of that run, or another folder (--output)."
        case .unwritable(let path, let reason): "\(path): cannot be written: \(reason)"
        }
    }
}

/// The folder of a series: `plan.json` and a folder for each run.
public struct SeriesFolder: Sendable {
    public let url: URL
    public init(_ url: URL) { self.url = url }
    public var plan: URL { url.appendingPathComponent("plan.json") }

    /// Sees to it that the runs of a plan mix with no others.
    /// - Parameters:
    ///   - plan: with all defaults filled in.
    ///   - places: keys that say where a file is stored; the fingerprint says whether the data is the same (`RunSeries.run`).
    ///   - reread: fills in the defaults of a stored plan, which may be older than some keys.
    /// - Throws: `SeriesError`.
    func check(
        _ plan: ConfigurationValue, places: Set<String>, resume: Bool, reread: (ConfigurationValue) throws -> ConfigurationValue
    ) throws {
        if let bytes = try? InputFile.read(self.plan, atMost: .max), case let text = String(decoding: bytes, as: UTF8.self) {
            let differences = plan.differences(from: try reread(ConfigurationValue(json: text))).filter {
                !places.contains($0.path)
            }
            if !differences.isEmpty { throw SeriesError.otherPlan(folder: url.path, differences: differences) }
            if !resume { throw SeriesError.folderInUse(folder: url.path) }
            return
        }
        if resume { throw SeriesError.nothingToResume(folder: url.path) }
    }
    /// Keeps the plan, so that the folder is in use from now on. What can fail before the first run has been done by then.
    func claim(_ plan: ConfigurationValue) throws {
        if FileManager.default.fileExists(atPath: self.plan.path) { return }
        try write(plan.json() + "\n", to: "plan.json")
    }
    func write(_ text: String, to name: String) throws {
        try ResultFile.write(text, to: url.appendingPathComponent(name))
    }
}
