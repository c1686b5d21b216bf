import NSTMConfiguration
import NSTMData
import NSTMModules

/// A sweep: trains every combination of the values of configuration keys with every seed.
///
/// All results are written to one folder: the plan, a folder per run, and `table.md`, `results.csv`, `runs.csv` and charts, which
/// are updated after every run. A run that diverges is a result and is not repeated.
package final class Sweep: SeriesStudy {
    package static let keepsDivergedRuns = true
    /// The plan.
    package let plan: SweepPlan
    /// The output folder and what all runs have in common.
    package var session: SeriesSession

    package init(_ plan: SweepPlan, _ session: SeriesSession) {
        self.plan = plan
        self.session = session
    }

    /// All combinations with their numbers of parameters.
    /// - Throws: `ConfigurationError` with every combination whose data cannot be opened or does not fit.
    package func entries() throws -> [SweepPlan.Combination] {
        // Only an evaluation shows whether the optimal loss is known.
        var issues = SweepIssues(), measured: Set = ["optimal-loss"]
        let entries = plan.combinations.map { combination in
            var combination = combination
            // Independent checks, so that one issue does not hide another.
            func check(_ body: () throws -> Void) { do { try body() } catch { issues.add(error, at: combination.indices) } }
            check {
                let experiment = try session.experiment(combination.configuration)
                let dataset = try session.open(experiment).dataset, known = Metrics.names(for: dataset.targetKind)
                measured.formUnion(known)
                check { try experiment.settings.check(on: dataset) }
                check {
                    if let metric = plan.target?.metric, !known.contains(metric) {
                        throw SweepPlan.absent(metric, at: "target.metric", known)
                    }
                }
                combination.parameters = try experiment.outline(trainableOn: dataset).parameters.trainableCount
            }
            return combination
        }
        try PlanParts.throwIfInvalid(issues.named(by: plan.keys))
        for metric in plan.metrics where !measured.contains(metric) {
            throw SweepPlan.absent(metric, at: "metrics", Metrics.allNames.filter(measured.contains))
        }
        return entries
    }

    package func report(_ entries: [SweepPlan.Combination], _ series: RunSeries) throws -> String {
        let rows = entries.map { entry in
            SweepReport.Row(entry, plan.seeds.map { series.record(entry.run(seed: $0)) })
        }
        return try SweepReport(plan, rows).write(to: session.folder, Provenance(command: session.command))
    }
}

extension SweepPlan {
    fileprivate static func absent(_ metric: String, at path: String, _ known: [String]) -> ConfigurationError {
        let message = "the data has no metric '\(metric)', but \(known.joined(separator: ", "))"
        return ConfigurationError([ConfigurationError.Issue(path: path, kind: .rule, message: message)])
    }
}
