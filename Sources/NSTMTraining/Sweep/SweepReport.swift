import Foundation
import NSTMConfiguration
import NSTMModules

/// The report of a sweep: tables of combinations and runs, and charts.
package struct SweepReport {
    /// A combination with the records of its runs, one per seed.
    package struct Row {
        package let combination: SweepPlan.Combination
        package let records: [RunRecord?]
        package init(_ combination: SweepPlan.Combination, _ records: [RunRecord?]) {
            self.combination = combination
            self.records = records
        }

        /// Whether a run ended without a usable model.
        private static func hasDiverged(_ record: RunRecord) -> Bool {
            record.ending == .diverged || record.isOver && record.metrics["loss"]?.isFinite != true
        }
        /// Records of completed runs, without those that diverged.
        var completed: [RunRecord] { records.compactMap(\.self).filter { $0.isOver && !Row.hasDiverged($0) } }
        /// Number of runs whose training or final loss became non-finite.
        var diverged: Int { records.compactMap(\.self).filter(Row.hasDiverged).count }
        /// Number of runs that were ended by another error.
        var errors: Int { records.filter { $0?.ending == .failed }.count }
        /// Number of completed runs that did not reach the target; nil without a target.
        var missed: Int? { combination.target.map { _ in completed.filter { $0.targetStep == nil }.count } }

        /// The metric of the last evaluation of every completed run.
        func values(_ metric: String) -> [Double] { completed.compactMap { $0.metrics[metric] } }
        /// Median, best and worst value of a metric; nil without completed runs.
        func spread(_ metric: String) -> (median: Double, best: Double, worst: Double)? {
            let values = values(metric)
            guard let median = Sample(values).median, let low = values.min(), let high = values.max() else { return nil }
            return Metrics.rises(metric) ? (median, high, low) : (median, low, high)
        }
        /// Median number of steps to the target; nil if half of the completed runs or more did not reach it.
        ///
        /// A run that did not reach it counts as infinitely many steps.
        var stepsToTarget: Double? {
            guard combination.target != nil else { return nil }
            return Sample(completed.map { $0.targetStep.map(Double.init) ?? .infinity }).median.flatMap {
                $0.isFinite ? $0 : nil
            }
        }
        /// Median wall time of a completed run, in seconds; nil without one.
        var seconds: Double? { Sample(completed.map(\.seconds)).median }
    }

    package let plan: SweepPlan
    package let rows: [Row]

    package init(_ plan: SweepPlan, _ rows: [Row]) {
        self.plan = plan
        self.rows = rows
    }

    /// Writes the files of the report.
    /// - Returns: the table for a terminal.
    func write(to folder: SeriesFolder, _ provenance: Provenance) throws -> String {
        for (name, chart) in charts { try folder.write(chart.svg(), to: name) }
        try folder.write(csv, to: "results.csv")
        try folder.write(runsCSV, to: "runs.csv")
        try folder.write(markdown + "\n" + provenance.markdown, to: "table.md")
        return terminalText
    }

    // MARK: Values

    /// Metrics of the report: those of the plan, or all that a run has.
    private var metrics: [String] {
        plan.metrics.isEmpty
            ? Metrics.allNames.filter { name in rows.contains { !$0.values(name).isEmpty } } : plan.metrics
    }
    /// Metrics with a chart and a best combination: those of the plan, or all that are not functions of others.
    private var chartedMetrics: [String] { metrics.filter { plan.metrics.contains($0) || !Metrics.uncharted.contains($0) } }
    /// The best median of a metric; nil without completed runs.
    private func best(_ metric: String) -> Double? {
        let medians = rows.compactMap { $0.spread(metric)?.median }.filter(\.isFinite)
        return Metrics.rises(metric) ? medians.max() : medians.min()
    }
    private var hasTarget: Bool { rows.contains { $0.combination.target != nil } }
    /// Description of the target; `target` if the combinations have several.
    private var targetName: String {
        let names = Set(rows.compactMap { $0.combination.target?.description })
        return names.count == 1 ? names.first! : "target"
    }
    /// A value of a key, as a configuration has it.
    private func text(_ value: ConfigurationValue) -> String { if case .string(let s) = value { s } else { value.short } }
    private func values(_ row: Row) -> [String] {
        zip(plan.keys, row.combination.indices).map { text($0.values[$1]) }
    }

    // MARK: Tables

    /// The combinations as CSV, with a header.
    package var csv: String {
        func number(_ x: Double?) -> String { x.map { String(format: "%.8g", $0) } ?? "" }
        let metrics = metrics
        var header = plan.keys.map(\.path) + ["parameters", "runs", "completed", "diverged", "errors"]
        header += metrics.flatMap { ["\($0)-median", "\($0)-best", "\($0)-worst"] }
        if hasTarget { header += ["target-missed", "steps-to-target"] }
        let lines = rows.map { row -> [String] in
            let counts = [row.combination.parameters, row.records.count, row.completed.count, row.diverged, row.errors]
            var cells = values(row) + counts.map(String.init)
            for metric in metrics {
                let spread = row.spread(metric)
                cells += [number(spread?.median), number(spread?.best), number(spread?.worst)]
            }
            if hasTarget { cells += [row.missed.map(String.init) ?? "", number(row.stepsToTarget)] }
            return cells + [row.seconds.map { String(format: "%.3f", $0) } ?? ""]
        }
        return CSV.table(header + ["seconds"], lines)
    }
    /// The runs as CSV, with a header: one line per combination and seed.
    package var runsCSV: String {
        let metrics = metrics
        let header =
            plan.keys.map(\.path) + ["seed", "ending", "step"] + metrics + (hasTarget ? ["steps-to-target"] : [])
            + ["error", "seconds"]
        let lines = rows.flatMap { row in
            zip(plan.seeds, row.records).map { seed, record -> [String] in
                var cells = values(row) + ["\(seed)", record?.ending.rawValue ?? "", record.map { "\($0.step)" } ?? ""]
                cells += metrics.map { name in record?.metrics[name].map { String(format: "%.8g", $0) } ?? "" }
                if hasTarget { cells.append(record?.targetStep.map(String.init) ?? "") }
                // The message of a diverged run names its checkpoint; the step says as much.
                let error = record?.ending == .failed ? record?.error : nil
                return cells + [error ?? "", record.map { String(format: "%.3f", $0.seconds) } ?? ""]
            }
        }
        return CSV.table(header, lines)
    }

    /// The report as Markdown, without the origin of the results.
    package var markdown: String {
        let (header, lines, left) = table(escaped: Markdown.plain) { "**\($0)**" }
        var out = "# \(Markdown.plain(plan.title))\n\n\(introduction)\n\n" + Markdown.table(header, lines, leftAligned: left)
        if !winners.isEmpty { out += "\n" + winners.map { "- \(Markdown.plain($0))\n" }.joined() }
        let failures = errors
        if !failures.isEmpty { out += "\n" + failures.map { "- \(Markdown.plain($0))\n" }.joined() }
        for (name, _) in charts { out += "\n![\(name.dropLast(4))](\(name))\n" }
        return out
    }
    /// The report for a terminal: an aligned table and the best combination by each metric.
    package var terminalText: String {
        let (header, lines, left) = table(escaped: { $0 }, best: { $0 })
        let table = AlignedTable.text(header, lines, leftAligned: left)
        return table + (winners.isEmpty ? "" : "\n" + winners.joined(separator: "\n") + "\n")
    }

    private var introduction: String {
        let several = plan.seeds.count > 1
        var text =
            "\(several ? "Seeds" : "Seed") \(plan.seeds.map(String.init).joined(separator: ", ")). Metrics are those of the "
        text += "last evaluation of completed runs: the median over the seeds, followed by the best and the worst; "
        text += "the best median is bold."
        if hasTarget {
            text += " Steps to the target are those of the first evaluation that reached it, the median over the completed runs, "
            text += "in which a run that did not reach it counts as infinitely many."
        }
        return text + " Wall time is the median of completed runs."
    }
    private func table(
        escaped: (String) -> String, best mark: (String) -> String
    ) -> (header: [String], lines: [[String]], leftAligned: Set<Int>) {
        let metrics = metrics, best = metrics.map(best)
        var header = plan.keys.map { escaped($0.heading) } + ["parameters", "completed"]
        for metric in metrics { header += [metric, "best", "worst"] }
        if hasTarget { header.append("steps to \(targetName)") }
        header += ["failures", "wall time"]
        let lines = rows.map { row -> [String] in
            var cells = values(row).map(escaped) + [ProgressReporter.count(Double(row.combination.parameters))]
            cells.append("\(row.completed.count) of \(row.records.count)")
            for (metric, best) in zip(metrics, best) {
                guard let spread = row.spread(metric) else {
                    cells += ["–", "–", "–"]
                    continue
                }
                let numbers = [spread.median, spread.best, spread.worst].map { String(format: "%.4f", $0) }
                cells += [rows.count > 1 && spread.median == best ? mark(numbers[0]) : numbers[0]] + numbers[1...]
            }
            if hasTarget { cells.append(row.stepsToTarget.map(ProgressReporter.count) ?? "–") }
            let time = row.seconds.map { $0 < 10 ? String(format: "%.2fs", $0) : ProgressReporter.duration($0) }
            return cells + [failures(row), time ?? "–"]
        }
        let words = plan.keys.indices.filter { i in plan.keys[i].values.contains { number($0) == nil } }
        return (header, lines, Set(words + [header.count - 2]))
    }
    private func failures(_ row: Row) -> String {
        let counts = [
            (row.diverged, "diverged"), (row.errors, row.errors == 1 ? "error" : "errors"), (row.missed ?? 0, "missed"),
        ]
        let parts = counts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        return parts.isEmpty ? "0" : parts.joined(separator: ", ")
    }
    /// The combination with the best median of each metric.
    private var winners: [String] {
        guard rows.count > 1 else { return [] }
        return chartedMetrics.compactMap { metric in
            guard let best = best(metric) else { return nil }
            let all = rows.filter { $0.spread(metric)?.median == best }.map(\.combination.title)
            let more = all.count > 1 ? " and \(all.count - 1) more" : ""
            return "best median \(metric) \(String(format: "%.4f", best)): \(all[0])\(more)"
        }
    }
    /// The runs that were ended by an error, with its message.
    private var errors: [String] {
        rows.flatMap { row in
            zip(plan.seeds, row.records).compactMap { seed, record in
                guard let record, record.ending == .failed else { return nil }
                return "\(row.combination.title), seed \(seed) failed: \(record.error ?? "")"
            }
        }
    }

    // MARK: Charts

    /// The charts with their file names, one per metric.
    package var charts: [(name: String, chart: LineChart)] { chartedMetrics.map { ($0 + ".svg", chart($0)) } }
    /// The median of a metric against the key with the most numbers, a line per combination of the other keys; without such a
    /// key, a point per combination.
    private func chart(_ metric: String) -> LineChart {
        let numeric = plan.keys.indices.filter { k in plan.keys[k].values.allSatisfy { number($0) != nil } }
        let most = numeric.map { plan.keys[$0].values.count }.max() ?? 1
        let key = most > 1 ? numeric.first { plan.keys[$0].values.count == most } : nil
        var names: [String] = [], points: [String: [LineChart.Point]] = [:]
        for (i, row) in rows.enumerated() {
            guard let spread = row.spread(metric), spread.median.isFinite else { continue }
            let indices = row.combination.indices
            let name = plan.keys.indices.filter { $0 != key }.map { plan.keys[$0].names[indices[$0]] }.joined(separator: ", ")
            let x = key.flatMap { number(plan.keys[$0].values[indices[$0]]) } ?? Double(i + 1)
            let low = min(spread.best, spread.worst), high = max(spread.best, spread.worst)
            if points[name] == nil { names.append(name) }
            points[name, default: []].append(.init(x, spread.median, band: plan.seeds.count > 1 ? low...high : nil))
        }
        let all = names.flatMap { points[$0]! }
        let label = key.map { plan.keys[$0].path } ?? "row of the table"
        let subtitle =
            plan.seeds.count > 1 ? "Median over \(plan.seeds.count) seeds, with the range from the best to the worst." : nil
        var chart = LineChart(
            plan.title, subtitle: subtitle, x: key == nil ? .linear(label) : axis(label, all.map(\.x), logFrom: 4),
            y: axis("validation \(metric)", all.map(\.y), logFrom: 100))
        chart.series = names.map { name in
            LineChart.Series(name, points[name]!.sorted { $0.x < $1.x }, key == nil ? .points : .linePoints)
        }
        // Room for the legend.
        chart.height = max(chart.height, 120 + 19 * Double(names.count))
        return chart
    }
    /// An axis, logarithmic if all values are positive and the largest is at least `ratio` times the smallest.
    private func axis(_ label: String, _ values: [Double], logFrom ratio: Double) -> LineChart.Axis {
        guard let low = values.min(), let high = values.max(), low > 0, high >= ratio * low else { return .linear(label) }
        return .log(label, base: values.allSatisfy { log2($0) == log2($0).rounded() } ? 2 : 10)
    }
    /// A value as a number; nil for other values.
    private func number(_ value: ConfigurationValue) -> Double? {
        switch value {
        case .int(let i): Double(i)
        case .double(let d): d.isFinite ? d : nil
        default: nil
        }
    }
}
