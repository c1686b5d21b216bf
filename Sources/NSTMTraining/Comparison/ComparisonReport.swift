import Foundation
import NSTMConfiguration
import NSTMData
import NSTMModules

/// A candidate with the results of its runs.
struct ComparisonRow {
    struct Seed {
        let seed: Int
        let record: RunRecord?
        let history: RunHistory
        var isOver: Bool { record?.isOver == true }
    }
    let candidate: Comparison.Candidate
    let seeds: [Seed]
    init(_ candidate: Comparison.Candidate, _ seeds: [Seed]) {
        self.candidate = candidate
        self.seeds = seeds
    }
    /// The records of completed runs.
    var records: [RunRecord] { seeds.compactMap { $0.isOver ? $0.record : nil } }
    func values(_ metric: String) -> [Double] { records.compactMap { $0.metrics[metric] } }
}

/// A sample of numbers.
struct Sample {
    let values: [Double]
    init(_ values: [Double]) { self.values = values }
    /// Mean; NaN without values.
    var mean: Double { values.reduce(0, +) / Double(values.count) }
    /// Median, the mean of the two middle values of an even number; nil without values.
    var median: Double? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted(), middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
    /// Sample standard deviation (divided by n − 1); nil for fewer than two values.
    var standardDeviation: Double? {
        guard values.count > 1 else { return nil }
        let mean = mean
        return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)).squareRoot()
    }
    /// Mean and standard deviation, such as `1.234 ± 0.005` or `1.234`; a dash without values.
    func text(_ format: String) -> String {
        guard !values.isEmpty else { return "–" }
        return String(format: format, mean) + (standardDeviation.map { " ± " + String(format: format, $0) } ?? "")
    }
}

/// The report of a comparison: table, learning curves and results.
struct ComparisonReport {
    let plan: ComparisonPlan
    let rows: [ComparisonRow]
    let provenance: Provenance
    init(_ plan: ComparisonPlan, _ rows: [ComparisonRow], command: String) {
        self.plan = plan
        self.rows = rows
        provenance = Provenance(command: command)
    }

    /// Writes the files of the report.
    /// - Returns: the table as Markdown.
    func write(to folder: SeriesFolder) throws -> String {
        let curves = LearningCurves(plan, rows).charts
        for (name, chart) in curves { try folder.write(chart.svg(), to: name) }
        let table = markdown(curves.map(\.name))
        try folder.write(table, to: "table.md")
        try folder.write(results.json() + "\n", to: "results.json")
        return table
    }

    // MARK: Table

    func markdown(_ charts: [String]) -> String {
        var out = "# \(Markdown.plain(plan.title))\n\n\(introduction)\n"
        for dataset in plan.datasets {
            let rows = rows.filter { $0.candidate.dataset == dataset }
            if plan.datasets.count > 1 { out += "\n## \(Markdown.plain(dataset))\n" }
            out += "\n" + table(rows)
        }
        for chart in charts { out += "\n![Learning curves](\(chart))\n" }
        return out + "\n" + provenance.markdown
    }

    private var introduction: String {
        let budget: String
        switch plan.budget {
        case .steps(let steps): budget = "\(ProgressReporter.count(Double(steps))) steps"
        case .tokens(let tokens): budget = "\(ProgressReporter.count(Double(tokens))) positions read"
        case .minutes(let minutes): budget = "\(Markdown.number(minutes)) minutes of training on this host"
        }
        let seeds = plan.seeds.map(String.init).joined(separator: ", ")
        var text = "The budget of every model is \(budget); seeds \(seeds). Metrics are those of the last evaluation"
        text +=
            plan.seeds.count > 1
            ? ", mean ± sample standard deviation over the seeds; the best mean is bold." : "; the best is bold."
        if let target = plan.parameters {
            let percent = Markdown.number(target.tolerance * 100), count = ProgressReporter.count(Double(target.count))
            text += " Models have \(count) parameters ± \(percent) %"
            text += target.key.map { ", adjusted by their `\($0)` unless the table names another setting." } ?? "."
        }
        return text + " Speed is the median over training steps; state is the size of the cache after one evaluation sequence."
    }

    private func table(_ rows: [ComparisonRow]) -> String {
        let metrics = Metrics.allNames.filter { name in rows.contains { !$0.values(name).isEmpty } }
        let isAdjusted = rows.contains { $0.candidate.adjusted != nil }
        var header = ["model", "parameters"] + (isAdjusted ? ["adjusted"] : []) + ["steps"]
        header += metrics + ["tokens/s", "state bytes", "wall time", "notes"]
        let best = metrics.map { name -> Double? in
            let means = rows.map { Sample($0.values(name)).mean }.filter(\.isFinite)
            return rows.count > 1 ? (Metrics.rises(name) ? means.max() : means.min()) : nil
        }
        let lines = rows.map { row -> [String] in
            let candidate = row.candidate, records = row.records
            var cells = [Markdown.plain(candidate.model), ProgressReporter.count(Double(candidate.parameters))]
            if isAdjusted { cells.append(candidate.adjusted.map { "\($0.key) \($0.value)" } ?? "–") }
            let steps = Set(records.map(\.step)).sorted().map { ProgressReporter.count(Double($0)) }
            cells.append(steps.isEmpty ? "–" : steps.count == 1 ? steps[0] : "\(steps.first!) … \(steps.last!)")
            for (name, best) in zip(metrics, best) {
                let sample = Sample(row.values(name)), text = sample.text("%.4f")
                cells.append(sample.mean == best ? "**\(text)**" : text)
            }
            let speed = Sample(records.map(\.tokensPerSecond)).mean, time = Sample(records.map(\.seconds)).mean
            cells.append(records.isEmpty ? "–" : ProgressReporter.count(speed))
            cells.append(records.isEmpty ? "–" : ProgressReporter.count(Double(records[0].stateBytes)))
            cells.append(records.isEmpty ? "–" : ProgressReporter.duration(time))
            return cells + [notes(row)]
        }
        return Markdown.table(header, lines, leftAligned: [0, header.count - 1])
    }

    private func notes(_ row: ComparisonRow) -> String {
        var notes: [String] = []
        let completed = row.records.count
        if completed < row.seeds.count { notes.append("\(completed) of \(row.seeds.count) runs") }
        for ending in [RunRecord.StopReason.targetReached, .noImprovement, .timeLimit] {
            let count = row.records.filter { $0.ending == ending }.count
            if count > 0 { notes.append(count == row.seeds.count ? ending.rawValue : "\(count) \(ending.rawValue)") }
        }
        for seed in row.seeds {
            if let error = seed.record?.error { notes.append("seed \(seed.seed) failed: \(Markdown.plain(error))") }
        }
        return notes.joined(separator: "; ")
    }

    // MARK: Numbers

    /// The content of `results.json`: all values of the table and the data behind it.
    private var results: ConfigurationValue {
        let models = rows.map { row -> ConfigurationValue in
            let candidate = row.candidate
            var map: ConfigurationValue.Map = [
                "model": .string(candidate.model), "dataset": .string(candidate.dataset),
                "parameters": .int(candidate.parameters),
            ]
            if let adjusted = candidate.adjusted { map["adjusted"] = [adjusted.key: .int(adjusted.value)] as ConfigurationValue }
            map["steps"] = .int(candidate.steps)
            map["positions-per-step"] = .int(candidate.tokensPerStep)
            var summary = ConfigurationValue.Map()
            for name in Metrics.allNames where !row.values(name).isEmpty {
                let sample = Sample(row.values(name))
                summary[name] = [
                    "mean": .double(sample.mean),
                    "standardDeviation": sample.standardDeviation.map(ConfigurationValue.double) ?? .null,
                ]
            }
            map["metrics"] = .map(summary)
            map["runs"] = .list(row.seeds.map(run))
            map["configuration"] = candidate.configuration
            return .map(map)
        }
        return .map([
            "title": .string(plan.title), "provenance": provenance.value, "plan": plan.resolved, "models": .list(models),
        ])
    }
    private func run(_ seed: ComparisonRow.Seed) -> ConfigurationValue {
        var map: ConfigurationValue.Map = ["seed": .int(seed.seed)]
        guard let record = seed.record else { return .map(map) }
        map["ending"] = .string(record.ending.rawValue)
        map["error"] = record.error.map(ConfigurationValue.string)
        map["step"] = .int(record.step)
        map["counted-positions"] = .int(record.tokens)
        map["metrics"] = .map(
            ConfigurationValue.Map(record.metrics.sorted { $0.key < $1.key }.map { ($0.key, .double($0.value)) }))
        map["state-bytes"] = .int(record.stateBytes)
        map["tokens-per-second"] = .double(record.tokensPerSecond)
        map["seconds"] = .double(record.seconds)
        map["evaluations"] = .list(
            seed.history.evaluations.map { step, metrics in
                .map(
                    ConfigurationValue.Map(
                        [("step", .int(step))] + metrics.sorted { $0.key < $1.key }.map { ($0.key, .double($0.value)) }))
            })
        return .map(map)
    }
}
