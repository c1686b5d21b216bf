import Foundation
import NSTMConfiguration
import NSTMData
import NSTMModules

/// A scaling study: trains every size of every model on every amount of data and fits power laws of the loss.
///
/// All results are written to one folder: the plan, a folder per run, `results.json`, `table.md` and charts.
package final class ScalingStudy {
    /// A size of a model on an amount of data.
    package struct Cell {
        package let model: String, size: String
        package let parameters: Int
        /// Number of positions read in training: that of the plan, rounded down to whole steps, at least one.
        package let tokens: Int
        package let steps: Int
        package let configuration: ConfigurationValue
        package let id: String
    }
    /// The plan.
    package let plan: ScalingPlan
    /// The output folder.
    package let folder: SeriesFolder
    /// The command that started the study, for the report.
    package var command = ""
    /// Called with every event of the series.
    package var onEvent: (SeriesEvent) -> Void = { _ in }
    /// Called during training; true stops the series after the current step, with a checkpoint.
    package var shouldStop: () -> Bool = { false }
    private let registries: Registries
    private let datasets: DatasetFolder

    package init(
        _ plan: ScalingPlan, in folder: URL, registries: Registries = .standard, datasets: DatasetFolder = DatasetFolder()
    ) {
        self.plan = plan
        self.folder = SeriesFolder(folder)
        self.registries = registries
        self.datasets = datasets
    }

    /// Trains all models, except completed runs, in the order of compute.
    /// - Parameter resume: whether to continue the series in the folder; otherwise the folder must have no runs.
    /// - Returns: false when `shouldStop` ended it.
    /// - Throws: `SeriesError`, `DatasetError`.
    @discardableResult
    package func run(resume: Bool = false) throws -> Bool {
        let lock = try FolderLock(folder.url)
        defer { lock.release() }
        if let warning = lock.warning { onEvent(.training(.note("warning: \(warning)"))) }
        try folder.check(plan.resolved, fileKeys: plan.fileKeys, resume: resume) {
            try ScalingPlan($0, registries: registries).resolved
        }
        let cells = try self.cells()
        try folder.claim(plan.resolved)
        let order = cells.sorted { ($0.tokens * $0.parameters, $0.id) < ($1.tokens * $1.parameters, $1.id) }
        let runs = plan.seeds.flatMap { seed in order.map { planned($0, seed: seed) } }
        let series = RunSeries(runs, in: folder.url, registries: registries, datasets: datasets)
        series.onEvent = onEvent
        series.shouldStop = shouldStop
        func report() throws {
            let measured = cells.map { cell in
                ScalingReport.Measured(cell: cell, records: plan.seeds.map { series.record(planned(cell, seed: $0)) })
            }
            try ScalingReport(plan, measured, command: command).write(to: folder)
        }
        let isDone = try series.run(report: report)
        try report()
        return isDone
    }

    private func planned(_ cell: Cell, seed: Int) -> PlannedRun {
        var config = cell.configuration
        if case .map(var map) = config {
            map["seed"] = .int(seed)
            config = .map(map)
        }
        let title = "\(cell.model), \(cell.size), \(ProgressReporter.count(Double(cell.tokens))) tokens, seed \(seed)"
        return PlannedRun(id: "\(cell.id)/seed-\(seed)", title: title, group: cell.id, configuration: config)
    }

    package func cells() throws -> [Cell] {
        var opened: OpenedDataset?
        return try plan.entries.flatMap { entry in
            let experiment = try Experiment(entry.configuration, registries: registries, folder: datasets)
            let data = try opened ?? experiment.openDataset()
            opened = data
            let model = try experiment.outline(input: data.dataset.inputKind, target: data.dataset.targetKind)
            let perStep = experiment.settings.batch * data.dataset.contextLength
            return try plan.tokens.map { tokens in
                var config = entry.configuration
                let steps = max(1, tokens / perStep)
                try config.set(path: "training.steps", to: .int(steps))
                let id = [entry.model, entry.size, "tokens \(tokens)"].map(PlanParts.slug).joined(separator: "/")
                return Cell(
                    model: entry.model, size: entry.size, parameters: model.parameters.trainableCount, tokens: steps * perStep,
                    steps: steps, configuration: config, id: id)
            }
        }
    }
}
