import Foundation
import NSTMConfiguration
import NSTMModules

/// The report of a scaling study: fits, tables and charts.
package struct ScalingReport {
    /// A cell with the records of its runs, one per seed.
    package struct Measured {
        package let cell: ScalingStudy.Cell
        package let records: [RunRecord?]
        package init(cell: ScalingStudy.Cell, records: [RunRecord?]) {
            self.cell = cell
            self.records = records
        }
        /// Losses of completed runs.
        package var losses: [Double] { records.compactMap { $0?.isOver == true ? $0?.metrics["loss"] : nil } }
        /// Training compute 6·N·D in FLOPs: two operations per parameter and token in the forward pass, four in the backward pass
        /// (Kaplan et al., 2020, section 2.1).
        ///
        /// Operations without parameters, such as attention scores, are not included.
        package var compute: Double { 6 * Double(cell.parameters) * Double(cell.tokens) }
    }
    /// The quantity by which the loss is fitted.
    package enum Axis: String, CaseIterable {
        case parameters, tokens, compute
        package var label: String {
            switch self {
            case .parameters: "parameters"
            case .tokens: "positions read in training"
            case .compute: "compute 6·N·D (FLOPs)"
            }
        }
    }
    /// The fit of a model's loss by a quantity.
    package struct Fit {
        package let model: String
        package let axis: Axis
        package let points: [(x: Double, y: Double)]
        package let estimate: PowerLaw.Estimate?
    }

    package let plan: ScalingPlan
    package let cells: [Measured]
    package let fits: [Fit]
    let provenance: Provenance

    package init(_ plan: ScalingPlan, _ cells: [Measured], command: String) {
        self.plan = plan
        self.cells = cells
        provenance = Provenance(command: command)
        fits = plan.models.flatMap { model in
            let own = cells.filter { $0.cell.model == model && !$0.losses.isEmpty }
            return Axis.allCases.map { axis in
                let points = ScalingReport.points(own, axis)
                let estimate = PowerLaw.estimate(points.map(\.x), points.map(\.y), irreducible: plan.irreducible)
                return Fit(model: model, axis: axis, points: points, estimate: estimate)
            }
        }
    }

    /// The points of a fit, one per seed: by parameters those with the most data, by data those with the most parameters, so that
    /// the other quantity does not limit the loss; by compute the Pareto front of compute and loss.
    package static func points(_ cells: [Measured], _ axis: Axis) -> [(x: Double, y: Double)] {
        let chosen: [(Double, Measured)]
        switch axis {
        case .parameters:
            let most = cells.map(\.cell.tokens).max()
            chosen = cells.filter { $0.cell.tokens == most }.map { (Double($0.cell.parameters), $0) }
        case .tokens:
            let most = cells.map(\.cell.parameters).max()
            chosen = cells.filter { $0.cell.parameters == most }.map { (Double($0.cell.tokens), $0) }
        case .compute:
            let all = cells.map { ($0.compute, $0) }
            chosen = all.filter { own in
                let loss = Sample(own.1.losses).mean
                return !all.contains { compute, other in
                    let better = Sample(other.losses).mean
                    return compute <= own.0 && better <= loss && (compute < own.0 || better < loss)
                }
            }
        }
        return chosen.sorted { $0.0 < $1.0 }.flatMap { x, cell in cell.losses.map { (x, $0) } }
    }

    /// Writes the files of the report.
    /// - Returns: the table as Markdown.
    func write(to folder: SeriesFolder) throws -> String {
        for axis in Axis.allCases { try folder.write(chart(axis).svg(), to: "loss-\(axis.rawValue).svg") }
        let table = markdown()
        try folder.write(table, to: "table.md")
        try folder.write(results.json() + "\n", to: "results.json")
        return table
    }

    // MARK: Markdown

    package func markdown() -> String {
        let law = plan.irreducible ? "L = a + b·x^(−c)" : "L = b·x^(−c)"
        var out = "# \(Markdown.plain(plan.title))\n\n"
        out +=
            "\(law), least squares of relative errors; in brackets 95 % intervals of a bootstrap of the residuals. Fits by parameters "
        out +=
            "use the runs with the most data, fits by data those of the largest model, and fits by compute "
        out += "(6·parameters·positions) the Pareto front. Validation losses are in nats; every seed is a point.\n\n"
        let header = ["model", "against", "c", "b"] + (plan.irreducible ? ["a"] : []) + ["relative error", "points"]
        out += Markdown.table(header, fits.map(line), leftAligned: [0, 1])
        for axis in Axis.allCases { out += "\n![Loss against \(axis.rawValue)](loss-\(axis.rawValue).svg)\n" }
        out += "\n"
        let rows = cells.map { cell -> [String] in
            let counts = [cell.cell.parameters, cell.cell.tokens, cell.cell.steps].map { ProgressReporter.count(Double($0)) }
            return [Markdown.plain(cell.cell.model), Markdown.plain(cell.cell.size)] + counts
                + [Sample(cell.losses).text("%.4f"), notes(cell)]
        }
        let names = ["model", "size", "parameters", "positions", "steps", "loss", "notes"]
        return out + Markdown.table(names, rows, leftAligned: [0, 1, 6]) + "\n" + provenance.markdown
    }
    private func line(_ fit: Fit) -> [String] {
        func number(_ value: Double, _ range: ClosedRange<Double>?) -> String {
            func short(_ x: Double) -> String { String(format: "%.3f", x) }
            return short(value) + (range.map { " [\(short($0.lowerBound)), \(short($0.upperBound))]" } ?? "")
        }
        let name = [Markdown.plain(fit.model), fit.axis.rawValue]
        guard let e = fit.estimate else {
            return name + ["–", "–"] + (plan.irreducible ? ["–"] : []) + ["–", "\(fit.points.count)"]
        }
        return name + [number(e.law.exponent, e.exponent), String(format: "%.4g", e.law.scale)]
            + (plan.irreducible ? [number(e.law.floor, e.floor)] : [])
            + [String(format: "%.2f %%", e.error * 100), "\(e.points)"]
    }
    private func notes(_ cell: Measured) -> String {
        zip(plan.seeds, cell.records).compactMap { seed, record in
            record?.error.map { "seed \(seed) failed: \(Markdown.plain($0))" }
        }.joined(separator: "; ")
    }

    // MARK: Charts

    package func chart(_ axis: Axis) -> LineChart {
        var chart = LineChart("\(plan.title): loss against \(axis.rawValue)", x: .log(axis.label), y: .log("validation loss"))
        for (color, fit) in fits.filter({ $0.axis == axis }).enumerated() {
            let points = fit.points.map { LineChart.Point($0.x, $0.y) }
            chart.series.append(.init(fit.model, points, .points, color: color))
            guard let law = fit.estimate?.law, let low = points.map(\.x).min(), let high = points.map(\.x).max() else { continue }
            let line = (0...40).map { low * pow(high / low, Double($0) / 40) }.map { LineChart.Point($0, law($0)) }
            let floor = law.floor > 0 ? String(format: "%.2f + ", law.floor) : ""
            let name = floor + String(format: "%.3g·x^−%.3f", law.scale, law.exponent).replacingOccurrences(of: "−-", with: "")
            chart.series.append(.init(name, line, .line, color: color, isDashed: true))
        }
        return chart
    }

    // MARK: Numbers

    private var results: ConfigurationValue {
        let laws = fits.map { fit -> ConfigurationValue in
            var map: ConfigurationValue.Map = ["model": .string(fit.model), "against": .string(fit.axis.rawValue)]
            map["points"] = .list(fit.points.map { .list([.double($0.x), .double($0.y)]) })
            if let e = fit.estimate {
                func range(_ range: ClosedRange<Double>?) -> ConfigurationValue {
                    range.map { .list([.double($0.lowerBound), .double($0.upperBound)]) } ?? .null
                }
                map["exponent"] = .double(e.law.exponent)
                map["exponent-interval"] = range(e.exponent)
                map["scale"] = .double(e.law.scale)
                map["floor"] = .double(e.law.floor)
                map["floor-interval"] = range(e.floor)
                map["relative-error"] = .double(e.error)
            }
            return .map(map)
        }
        let runs = cells.map { measured -> ConfigurationValue in
            let cell = measured.cell
            return [
                "model": .string(cell.model), "size": .string(cell.size), "parameters": .int(cell.parameters),
                "positions": .int(cell.tokens), "steps": .int(cell.steps),
                "losses": .list(
                    measured.records.map {
                        $0?.isOver == true ? $0?.metrics["loss"].map(ConfigurationValue.double) ?? .null : .null
                    }),
                "seconds": .list(measured.records.map { $0.map { .double($0.seconds) } ?? .null }),
                "configuration": cell.configuration,
            ]
        }
        return [
            "title": .string(plan.title), "provenance": provenance.value, "plan": plan.resolved, "fits": .list(laws),
            "runs": .list(runs),
        ]
    }
}
