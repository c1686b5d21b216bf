import Foundation
import NSTMConfiguration
import NSTMData
import NSTMModules

/// A scaling study: trains every size of every model on every amount of data and fits power laws of the loss.
///
/// All results are written to one folder: the plan, a folder per run, `results.json`, `table.md` and charts.
package final class ScalingStudy: SeriesStudy {
    /// A size of a model on an amount of data.
    package struct Cell: SeriesEntry {
        package let model: String, size: String
        package let parameters: Int
        /// Number of positions read in training: that of the plan, rounded down to whole steps, at least one.
        package let tokens: Int
        package let steps: Int
        package let configuration: ConfigurationValue
        package let id: String
        package var title: String { "\(model), \(size), \(ProgressReporter.count(Double(tokens))) tokens" }
    }
    /// The plan.
    package let plan: ScalingPlan
    /// The output folder and what all runs have in common.
    package var session: SeriesSession

    package init(_ plan: ScalingPlan, _ session: SeriesSession) {
        self.plan = plan
        self.session = session
    }

    package func entries() throws -> [Cell] { try cells() }
    /// The cells in the order of compute.
    package func ordered(_ cells: [Cell]) -> [Cell] {
        cells.sorted { ($0.tokens * $0.parameters, $0.id) < ($1.tokens * $1.parameters, $1.id) }
    }
    package func report(_ cells: [Cell], _ series: RunSeries) throws -> String {
        let measured = cells.map { cell in
            ScalingReport.Measured(cell: cell, records: plan.seeds.map { series.record(cell.run(seed: $0)) })
        }
        return try ScalingReport(plan, measured, command: session.command).write(to: session.folder)
    }

    package func cells() throws -> [Cell] {
        try plan.entries.flatMap { entry in
            let experiment = try session.experiment(entry.configuration), data = try session.open(experiment)
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
