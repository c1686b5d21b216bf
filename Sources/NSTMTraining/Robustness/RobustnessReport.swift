import Foundation
import NSTMData

/// The results of a robustness study, as CSV, Markdown and charts.
package struct RobustnessReport {
    /// All results.
    package let results: [RobustnessStudy.Result]
    /// Name of the model whose errors are the denominators of corruption errors.
    package let reference: String
    private let error: (name: String, of: (Metrics) -> Double)
    private let introduction: String
    private let provenance: String

    /// - Parameter reference: nil for the first model.
    package init(
        _ results: [RobustnessStudy.Result], target: TargetKind, reference: String? = nil, introduction: String = "",
        provenance: String = ""
    ) {
        self.results = results
        self.reference = reference ?? results.first?.model ?? ""
        error = target.error
        self.introduction = introduction
        self.provenance = provenance
    }

    // MARK: Numbers

    private static func unique<T: Hashable>(_ all: some Sequence<T>) -> [T] {
        var seen: Set<T> = []
        return all.filter { seen.insert($0).inserted }
    }
    private var models: [String] { RobustnessReport.unique(results.map(\.model)) }
    private var kinds: [InputNoise.Kind] { RobustnessReport.unique(results.compactMap(\.noise?.kind)) }
    private func strengths(_ kind: InputNoise.Kind) -> [Double] {
        Set(results.compactMap { $0.noise?.kind == kind ? $0.noise?.strength : nil }).sorted()
    }
    /// The errors of all runs of a model with a noise; nil for clean inputs.
    private func errors(_ model: String, _ noise: InputNoise?) -> Sample {
        Sample(results.filter { $0.model == model && $0.noise == noise }.map { error.of($0.metrics) })
    }
    /// The mean error over the strengths of a kind.
    private func mean(_ model: String, _ kind: InputNoise.Kind) -> Double {
        Sample(strengths(kind).map { errors(model, InputNoise(kind, strength: $0)).mean }).mean
    }

    /// The corruption error of a model (Hendrycks & Dietterich 2019, section 4): its mean error over all strengths of a kind,
    /// divided by that of the reference; nil when the latter is 0.
    /// - Parameter relative: whether to subtract the clean error from both.
    package func corruptionError(_ model: String, _ kind: InputNoise.Kind, relative: Bool = false) -> Double? {
        func excess(_ name: String) -> Double { mean(name, kind) - (relative ? errors(name, nil).mean : 0) }
        let own = excess(model), other = excess(reference)
        return other > 0 && own.isFinite ? own / other : nil
    }
    /// The mean of the corruption errors over all kinds; nil when one of them is nil.
    package func meanCorruptionError(_ model: String, relative: Bool = false) -> Double? {
        let all = kinds.map { corruptionError(model, $0, relative: relative) }
        return all.isEmpty || all.contains(nil) ? nil : Sample(all.compactMap(\.self)).mean
    }

    // MARK: Tables

    /// The results as CSV, with a header.
    package var csv: String {
        let names = Metrics.allNames.filter { name in results.contains { $0.metrics[name] != nil } }
        let head = ["model", "run", "noise", "strength"] + names
        let lines = results.map { result -> [String] in
            let strength = result.noise.map { String(format: "%.6g", $0.strength) } ?? "0"
            return [result.model, result.run, result.noise?.kind.rawValue ?? "none", strength]
                + names.map { name in result.metrics[name].map { String(format: "%.8g", $0) } ?? "" }
        }
        return CSV.table(head, lines)
    }

    /// The results as Markdown tables with links to the charts.
    package var markdown: String {
        var out = "# Robustness to input noise\n\n"
        if !introduction.isEmpty { out += introduction + "\n\n" }
        out +=
            "Values are \(error.name); smaller is better. `mean` is over the strengths, `more` is its difference to clean."
        let compares = models.count > 1, plain = Markdown.plain(reference)
        if compares {
            out +=
                " `CE` is the ratio of the mean to that of \(plain) (corruption error, Hendrycks & Dietterich 2019), `relative CE` "
            out += "the ratio of `more`."
        }
        if models.contains(where: { errors($0, nil).values.count > 1 }) {
            out += " Mean ± sample standard deviation over the runs of a model."
        }
        out += "\n"
        for kind in kinds {
            out += "\n## \(kind.rawValue)\n\n" + table(kind, compares) + "\n![\(kind.rawValue)](\(file(kind)))\n"
        }
        if compares && kinds.count > 1 {
            out += "\n## All kinds\n\n"
            let rows = models.map { model in
                [Markdown.plain(model), ratio(meanCorruptionError(model)), ratio(meanCorruptionError(model, relative: true))]
            }
            out += Markdown.table(["model", "mean CE", "mean relative CE"], rows)
        }
        return provenance.isEmpty ? out : out + "\n" + provenance
    }
    private func ratio(_ x: Double?) -> String { x.map { String(format: "%.3f", $0) } ?? "–" }
    private func table(_ kind: InputNoise.Kind, _ compares: Bool) -> String {
        let strengths = strengths(kind)
        var header = ["model", "clean"] + strengths.map(Markdown.number) + ["mean", "more"]
        if compares { header += ["CE", "relative CE"] }
        let rows = models.map { model -> [String] in
            let clean = errors(model, nil), mean = mean(model, kind)
            var row = [Markdown.plain(model), clean.text("%.4f")]
            row += strengths.map { errors(model, InputNoise(kind, strength: $0)).text("%.4f") }
            row += [String(format: "%.4f", mean), Markdown.difference(mean - clean.mean)]
            if compares { row += [ratio(corruptionError(model, kind)), ratio(corruptionError(model, kind, relative: true))] }
            return row
        }
        return Markdown.table(header, rows)
    }

    // MARK: Charts

    private func file(_ kind: InputNoise.Kind) -> String { "robustness-\(kind.rawValue).svg" }
    /// Charts of the error over the strength, one per kind, with their file names.
    package var charts: [(name: String, chart: LineChart)] {
        kinds.map { kind in
            var chart = LineChart(
                "Input noise: \(kind.rawValue)", x: .linear("strength: \(kind.strengthName)"),
                y: .linear("evaluation \(error.name)"))
            chart.series = models.map { model in
                let points = ([0] + strengths(kind)).compactMap { strength -> LineChart.Point? in
                    let sample = errors(model, strength == 0 ? nil : InputNoise(kind, strength: strength))
                    guard let low = sample.values.min(), let high = sample.values.max(), low.isFinite, high.isFinite else {
                        return nil
                    }
                    return .init(strength, sample.mean, band: sample.values.count > 1 ? low...high : nil)
                }
                return LineChart.Series(model, points, .linePoints)
            }
            return (file(kind), chart)
        }
    }

    /// Writes `robustness.md`, `robustness.csv` and a chart per kind to a folder.
    /// - Throws: `SeriesError.unwritable`.
    package func write(to folder: URL) throws {
        let folder = SeriesFolder(folder)
        for (name, chart) in charts { try folder.write(chart.svg(), to: name) }
        try folder.write(csv, to: "robustness.csv")
        try folder.write(markdown, to: "robustness.md")
    }
}
