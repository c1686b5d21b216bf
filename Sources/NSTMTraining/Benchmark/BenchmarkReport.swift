import Foundation
import NSTMModules

/// The results of a benchmark, as CSV, Markdown and charts.
package struct BenchmarkReport: Sendable {
    /// All measurements.
    package var cells: [Benchmark.Cell] = []
    /// Description of hardware and software, in one line.
    package var environment: String
    /// Name of the model that the others are compared with.
    package var reference: String

    package init(environment: String, reference: String = "transformer") {
        self.environment = environment
        self.reference = reference
    }

    // MARK: Crossovers

    /// The length from which on a model needs at most `share` times the reference's multiply-adds per token, log-linearly
    /// interpolated between measured lengths; nil if this holds at no length, or at the first one already.
    package func crossover(_ model: String, share: Double = 1) -> Double? {
        let own = points(model), others = Dictionary(points(reference), uniquingKeysWith: { a, _ in a })
        var last: (length: Double, excess: Double)?
        for (length, cost) in own {
            guard let other = others[length] else { continue }
            let excess = log(cost / (share * other))
            if excess <= 0 {
                guard let last else { return nil }
                let part = last.excess / (last.excess - excess)
                return exp(log(last.length) + part * (log(length) - log(last.length)))
            }
            last = (length, excess)
        }
        return nil
    }
    private func points(_ model: String) -> [(Double, Double)] {
        cells.compactMap { cell in
            cell.model == model ? cell.multiplyAdds.map { (Double(cell.length), Double($0)) } : nil
        }
    }
    private var models: [String] {
        cells.reduce(into: []) { names, cell in if !names.contains(cell.model) { names.append(cell.model) } }
    }

    // MARK: Tables

    /// The measurements as CSV, with a header.
    package var csv: String {
        func n(_ x: Int?) -> String { x.map { "\($0)" } ?? "" }
        func n(_ x: Double?) -> String { x.map { String(format: "%.6g", $0) } ?? "" }
        let header = [
            "model", "length", "parameters", "multiply-adds", "elements", "bytes-moved", "training-tokens-per-second",
            "streamed-tokens-per-second", "peak-bytes", "state-bytes", "notes",
        ]
        let rows = cells.map { c in
            [
                c.model, n(c.length), n(c.parameters), n(c.multiplyAdds), n(c.elements), n(c.bytesMoved), n(c.trainingTokens),
                n(c.streamedTokens), n(c.peakBytes), n(c.stateBytes), c.notes.joined(separator: "; "),
            ]
        }
        return CSV.table(header, rows)
    }

    /// The measurements as a Markdown table, followed by notes and crossovers.
    package var markdown: String {
        func n(_ x: Int?, _ unit: Int = 1) -> String { x.map { grouped(($0 + unit / 2) / unit) } ?? "–" }
        func n(_ x: Double?) -> String { x.map { grouped(Int($0.rounded())) } ?? "–" }
        var out = environment + "\n\n"
        out +=
            "Multiply-adds, elements and bytes moved are per token of a forward pass over the whole sequence, counted by the "
        out += "kernels; one multiply-add is two FLOPs. Training is forward and backward, without the update.\n\n"
        out += "| model | length | multiply-adds (k) | elements (k) | moved (KiB) | training (tokens/s) | streaming (tokens/s) | "
        out += "peak (MiB) | state (KiB) |\n|---|---|---|---|---|---|---|---|---|\n"
        for c in cells {
            let fields = [
                c.model, n(c.length), n(c.multiplyAdds, 1000), n(c.elements, 1000), n(c.bytesMoved, 1024), n(c.trainingTokens),
                n(c.streamedTokens), n(c.peakBytes, 1 << 20), n(c.stateBytes, 1024),
            ]
            out += "| " + fields.joined(separator: " | ") + " |\n"
        }
        let notes = cells.flatMap { c in c.notes.map { "- \(c.model), \(grouped(c.length)): \($0)\n" } }
        if !notes.isEmpty { out += "\n" + notes.joined() }
        let crossings = models.filter { $0 != reference }.flatMap { model in
            [(1.0, "at most the"), (0.5, "at most half the")].compactMap { share, words in
                crossover(model, share: share).map {
                    "- \(model) needs \(words) multiply-adds per token of \(reference) from \(grouped(Int($0.rounded()))) tokens on\n"
                }
            }
        }
        if !crossings.isEmpty { out += "\n" + crossings.joined() }
        return out
    }

    // MARK: Charts

    /// File names (without extension) and SVG documents of charts over the length: work, training, streaming, state and memory.
    package var charts: [(name: String, svg: String)] {
        [
            chart("work", "Work per token", "multiply-adds per token, forward", marked: true) {
                $0.multiplyAdds.map(Double.init)
            },
            chart("training", "Training", "tokens per second, forward and backward") { $0.trainingTokens },
            chart("streaming", "Streaming, token by token", "tokens per second") { $0.streamedTokens },
            chart("state", "State after the sequence", "bytes") { $0.stateBytes.map(Double.init) },
            chart("memory", "Peak memory of a training step", "bytes of tensors") { $0.peakBytes.map(Double.init) },
        ]
    }
    private func chart(
        _ name: String, _ title: String, _ label: String, marked: Bool = false, _ value: (Benchmark.Cell) -> Double?
    ) -> (String, String) {
        var chart = LineChart(title, subtitle: environment, x: .log("sequence length (tokens)", base: 2), y: .log(label))
        chart.series = models.map { model in
            let points = cells.filter { $0.model == model }.compactMap { c in
                value(c).map { LineChart.Point(Double(c.length), $0) }
            }
            return LineChart.Series(model, points, .linePoints)
        }
        if marked {
            chart.marks = models.filter { $0 != reference }.compactMap { model in
                crossover(model).map { LineChart.Mark(x: $0, label: "\(model): \(grouped(Int($0.rounded())))") }
            }
        }
        return (name, chart.svg())
    }
}
