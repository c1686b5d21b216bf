import Foundation
import NSTMConfiguration
import NSTMAutograd
import NSTMData
import NSTMIO
import NSTMModules
import NSTMSystem

/// A series of sequential training runs in subfolders of one folder.
///
/// A series that was stopped or killed continues with bit-identical results. Completed runs are not repeated, and a failed run
/// does not stop the others.
package final class RunSeries {
    /// All runs, in order.
    package let runs: [PlannedRun]
    private let session: SeriesSession
    private let keepsDivergedRuns: Bool
    /// Records by the id of their run; nil for a run that has none.
    private var records: [String: RunRecord?] = [:]

    /// - Parameter keepsDivergedRuns: whether a diverged run is a result, so that it is not repeated, rather than a failure.
    init(_ runs: [PlannedRun], _ session: SeriesSession, keepsDivergedRuns: Bool) {
        self.runs = runs
        self.session = session
        self.keepsDivergedRuns = keepsDivergedRuns
    }

    /// The folder of a run.
    package func url(of run: PlannedRun) -> URL { session.folder.url.appendingPathComponent(run.id) }
    /// The record of a run; nil before it started.
    package func record(_ run: PlannedRun) -> RunRecord? {
        if let known = records[run.id] { return known }
        let found = RunRecord.read(in: url(of: run))
        records[run.id] = .some(found)
        return found
    }

    /// Executes all runs except completed ones.
    ///
    /// Failed runs are repeated from their last checkpoint.
    /// - Parameter report: called after every run.
    /// - Returns: false when `shouldStop` ended it.
    /// - Throws: `SeriesError.otherData` before the first run; errors of `report`.
    package func run(report: () throws -> Void) throws -> Bool {
        try checkData()
        for (i, run) in runs.enumerated() where record(run)?.isOver != true {
            if session.shouldStop() { return false }
            session.onEvent(.began(run, number: i + 1, of: runs.count, secondsLeft: secondsLeft))
            let record = try execute(run)
            session.onEvent(.ended(run, record))
            if record.ending == .open { return false }
            try report()
        }
        return true
    }

    /// Estimated remaining time of the series in seconds, from completed runs of the same group, or of all groups if there are
    /// none.
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

    /// Checks that all started runs had the same data as the others will have, by fingerprint.
    private func checkData() throws {
        for run in runs {
            guard let saved = record(run)?.data else { continue }
            let dataset = try session.open(try session.experiment(run.configuration)).dataset
            guard saved == dataset.fingerprint else {
                throw SeriesError.otherData(
                    folder: url(of: run).path, dataset: dataset.name, saved: saved, found: dataset.fingerprint)
            }
        }
    }

    private func execute(_ run: PlannedRun) throws -> RunRecord {
        let runURL = url(of: run), start = Date()
        var record = record(run) ?? RunRecord()
        let before = record.seconds
        record.error = nil
        record.ending = .open
        do {
            let experiment = try session.experiment(run.configuration)
            let data = try session.open(experiment), trainer = try experiment.trainer(data, folder: runURL)
            record.data = data.dataset.fingerprint
            record.parameters = trainer.model.parameters.trainableCount
            if let latest = try RunFolder(runURL).newest() {
                if let warning = FoundCheckpoint.warning(latest.skipped) { session.onEvent(.training(.note(warning))) }
                try trainer.restore(CheckpointFile.read(latest.info.url))
            }
            trainer.shouldStop = session.shouldStop
            trainer.onEvent = { [session] event in
                if case .saved = event {
                    // If the process is killed, the time since the last checkpoint is not counted, as the steps are lost as well.
                    record.seconds = before + Date().timeIntervalSince(start)
                    try? record.write(in: runURL)
                }
                session.onEvent(.training(event))
            }
            record.ending = RunRecord.StopReason(try trainer.run())
            record.step = trainer.step
            record.tokens = trainer.tokens
            let history = RunHistory(RunFolder(runURL).metrics)
            record.metrics = history.evaluations.last?.metrics ?? [:]
            record.tokensPerSecond = history.medianSpeed
            record.targetStep = run.target.flatMap { history.step(reaching: $0) }
            if record.isOver { record.stateBytes = stateBytes(trainer.model, data.dataset) }
        } catch {
            record.ending = .failed
            record.error = error.plainReason
            if keepsDivergedRuns, case TrainingError.nonFinite(let step, _, _, _, _) = error {
                record.ending = .diverged
                record.step = step - 1
            }
        }
        record.seconds = before + Date().timeIntervalSince(start)
        try record.write(in: runURL)
        records[run.id] = record
        return record
    }
    private func stateBytes(_ model: SequenceModel, _ dataset: any Dataset) -> Int {
        guard model.streamingLimitation == nil, let batch = dataset.evaluationBatches(size: 1, limit: 1).first else { return 0 }
        var state = model.initialState(batch: 1)
        _ = model(batch.inputs, state: &state, ForwardContext(.evaluate))
        return state.byteCount
    }
}

/// An event of a series.
package enum SeriesEvent: Sendable {
    /// A run starts. `secondsLeft` is the estimated time of the rest of the series including this run; nil before the first run
    /// is complete.
    case began(PlannedRun, number: Int, of: Int, secondsLeft: Double?)
    /// An event of the current run.
    case training(TrainingEvent)
    /// A run ended.
    case ended(PlannedRun, RunRecord)
}

/// An error that prevents a series from starting or continuing.
package enum SeriesError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The folder has runs of another plan.
    case otherPlan(folder: String, differences: [ConfigurationDifference])
    /// The folder has runs of this plan, and resuming was not requested.
    case folderInUse(folder: String)
    /// Resuming was requested, but the folder has no plan.
    case nothingToResume(folder: String)
    /// A run in the folder was trained on data with another fingerprint.
    case otherData(folder: String, dataset: String, saved: String, found: String)
    /// A file cannot be written.
    case unwritable(path: String, reason: String)

    package var description: String {
        switch self {
        case .otherPlan(let folder, let differences):
            "\(folder) has runs of another plan. Differences (given, stored):"
                + differences.map { "\n  - \($0)" }.joined()
                + "\nUse another folder (--output), or the stored plan."
        case .folderInUse(let folder):
            "\(folder) already has runs. Resume them (--resume), or use another folder (--output)."
        case .nothingToResume(let folder): "\(folder): there is no plan.json to resume from"
        case .otherData(let folder, let dataset, let saved, let found):
            "\(folder): trained on data that differs from this '\(dataset)': fingerprint \(saved.prefix(16))…, found "
                + "\(found.prefix(16))…. Use the data of that run, or another folder (--output)."
        case .unwritable(let path, let reason): "\(path): cannot be written: \(reason)"
        }
    }
}

/// The folder of a series, with `plan.json` and a folder per run.
package struct SeriesFolder: Sendable {
    /// Path of the folder.
    package let url: URL
    package init(_ url: URL) { self.url = url }
    /// Path of the stored plan.
    package var plan: URL { url.appendingPathComponent("plan.json") }

    /// Checks that the runs of a plan do not mix with those of another plan in the folder.
    /// - Parameters:
    ///   - plan: the plan with all defaults.
    ///   - fileKeys: keys with the location of a file, which may differ; `RunSeries.run` compares fingerprints of the data
    ///     instead.
    ///   - resume: whether to continue runs in the folder.
    ///   - reread: adds defaults to a stored plan, which may be older than some keys.
    /// - Throws: `SeriesError`.
    func check(
        _ plan: ConfigurationValue, fileKeys: Set<String>, resume: Bool, reread: (ConfigurationValue) throws -> ConfigurationValue
    ) throws {
        if let bytes = try? InputFile.read(self.plan, atMost: .max), case let text = String(decoding: bytes, as: UTF8.self) {
            let differences = plan.differences(from: try reread(ConfigurationValue(json: text))).filter {
                !fileKeys.contains($0.path)
            }
            if !differences.isEmpty { throw SeriesError.otherPlan(folder: url.path, differences: differences) }
            if !resume { throw SeriesError.folderInUse(folder: url.path) }
            return
        }
        if resume { throw SeriesError.nothingToResume(folder: url.path) }
    }
    /// Stores the plan, which marks the folder as in use.
    ///
    /// Called after all preparations that can fail.
    func claim(_ plan: ConfigurationValue) throws {
        if FileManager.default.fileExists(atPath: self.plan.path) { return }
        try write(plan.json() + "\n", to: "plan.json")
    }
    func write(_ text: String, to name: String) throws {
        try ResultFile.write(text, to: url.appendingPathComponent(name))
    }
}
