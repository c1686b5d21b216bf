import NSTMModules

/// Charts of validation metrics against training: a line per model, with a band from the lowest to the highest seed.
struct LearningCurves {
    let plan: ComparisonPlan
    let rows: [ComparisonRow]
    init(_ plan: ComparisonPlan, _ rows: [ComparisonRow]) {
        self.plan = plan
        self.rows = rows
    }

    /// The charts with their file names.
    var charts: [(name: String, chart: LineChart)] {
        plan.datasets.flatMap { dataset in
            let rows = rows.filter { $0.candidate.dataset == dataset }
            let seen = rows.flatMap { $0.seeds.flatMap { $0.history.evaluations.flatMap(\.metrics.keys) } }
            let metrics = Metrics.allNames.filter { !Metrics.uncharted.contains($0) && seen.contains($0) }
            return metrics.map { metric in
                let parts =
                    ["curves"] + (plan.datasets.count > 1 ? [PlanParts.slug(dataset)] : [])
                    + (metric == "loss" ? [] : [metric])
                return (parts.joined(separator: "-") + ".svg", chart(dataset, metric, rows))
            }
        }
    }

    private func chart(_ dataset: String, _ metric: String, _ rows: [ComparisonRow]) -> LineChart {
        let countsSteps = if case .steps = plan.budget { true } else { false }
        let subtitle =
            plan.seeds.count > 1
            ? "Mean over \(plan.seeds.count) seeds; the band is the range from the lowest to the highest." : nil
        let x = countsSteps ? "training steps" : "positions read in training", y = "validation \(metric)"
        var chart = LineChart(
            plan.datasets.count > 1 ? "\(plan.title): \(dataset)" : plan.title, subtitle: subtitle,
            x: plan.curvesLogX ? .log(x) : .linear(x), y: plan.curvesLogY ? .log(y) : .linear(y))
        chart.series = rows.map { row in
            let histories = row.seeds.filter { $0.record != nil }
            let steps = Set(histories.flatMap { $0.history.evaluations.map(\.step) }).sorted()
            let scale = countsSteps ? 1.0 : Double(row.candidate.tokensPerStep)
            let points = steps.compactMap { step -> LineChart.Point? in
                // A run that ended early because it was solved keeps its last value; one that was interrupted has none.
                let values = histories.compactMap { seed -> Double? in
                    let past = seed.history.evaluations.last { $0.step <= step }
                    return past.flatMap { $0.step == step || seed.isOver ? $0.metrics[metric] : nil }
                }.filter(\.isFinite)
                guard let low = values.min(), let high = values.max() else { return nil }
                return .init(Double(step) * scale, Sample(values).mean, band: values.count > 1 ? low...high : nil)
            }
            return LineChart.Series(row.candidate.model, points)
        }
        return chart
    }
}
