import Foundation

extension LineChart {
    /// The chart as an SVG document.
    package func svg() -> String { ChartDrawing(self).document() }
}

/// The layout of a chart and its conversion to SVG.
private struct ChartDrawing {
    let chart: LineChart
    let x: ChartScale, y: ChartScale
    let left: Double, top: Double, plotWidth: Double, plotHeight: Double
    /// Named series, with their indices in the chart.
    let legend: [(index: Int, series: LineChart.Series)]

    init(_ chart: LineChart) {
        self.chart = chart
        let points = chart.series.flatMap(\.points)
        y = ChartScale(
            chart.y, values: points.flatMap { [$0.y] + ($0.band.map { [$0.lowerBound, $0.upperBound] } ?? []) }, room: 7)
        legend = chart.series.enumerated().filter { !$1.name.isEmpty }.map { ($0, $1) }
        let names = legend.count > 1 ? (legend.map { ChartDrawing.width($0.series.name, 12) }.max() ?? 0) + 52 : 24
        left = 38 + (y.ticks.map { ChartDrawing.width($0.label, 11) }.max() ?? 0)
        top = (chart.title.isEmpty ? 16 : 40) + (chart.subtitle == nil ? 0 : 18) + (chart.marks.isEmpty ? 0 : 14)
        plotWidth = max(80, chart.width - left - names)
        plotHeight = max(80, chart.height - top - 48)
        x = ChartScale(chart.x, values: points.map(\.x) + chart.marks.map(\.x), room: Int(plotWidth / 70))
    }

    func document() -> String {
        let size = "\(n(chart.width)) \(n(chart.height))"
        var out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(size)\" width=\"\(n(chart.width))\" "
        out += "height=\"\(n(chart.height))\" role=\"img\" font-family=\"system-ui, -apple-system, 'DejaVu Sans', sans-serif\">\n"
        out += "<title>\(escaped(chart.title))</title>\n\(ChartPalette.style)\n"
        out += "<rect width=\"100%\" height=\"100%\" \(ChartPalette.fill("ground", ChartPalette.ground))/>\n"
        if !chart.title.isEmpty { out += text(chart.title, 16, 25, 15, bold: true) }
        if let subtitle = chart.subtitle { out += text(subtitle, 16, 45, 12, muted: true) }
        out += axes()
        // A nested SVG element clips its contents to the plot area.
        out += "<svg x=\"\(n(left))\" y=\"\(n(top))\" width=\"\(n(plotWidth))\" height=\"\(n(plotHeight))\">\n"
        for (i, series) in chart.series.enumerated() { out += band(series, i) }
        for (i, series) in chart.series.enumerated() { out += line(series, i) }
        out += "</svg>\n"
        for mark in chart.marks { out += draw(mark) }
        if legend.count > 1 {
            for (row, entry) in legend.enumerated() { out += legendEntry(entry.series, entry.index, row) }
        }
        return out + "</svg>\n"
    }

    // MARK: Axes

    private func axes() -> String {
        let grid = ChartPalette.stroke("grid", ChartPalette.grid), bottom = top + plotHeight
        var out = ""
        for tick in x.ticks {
            guard let position = x.position(tick.value), (-1e-9...1 + 1e-9).contains(position) else { continue }
            let px = left + position * plotWidth
            out += "<path d=\"M\(n(px)) \(n(top))V\(n(bottom))\" \(grid)/>\n"
            if !tick.label.isEmpty { out += text(tick.label, px, bottom + 17, 11, anchor: "middle", muted: true) }
        }
        for tick in y.ticks {
            guard let position = y.position(tick.value), (-1e-9...1 + 1e-9).contains(position) else { continue }
            let py = bottom - position * plotHeight
            out += "<path d=\"M\(n(left)) \(n(py))H\(n(left + plotWidth))\" \(grid)/>\n"
            if !tick.label.isEmpty { out += text(tick.label, left - 7, py + 4, 11, anchor: "end", muted: true) }
        }
        let frame = ChartPalette.stroke("muted", ChartPalette.muted)
        out += "<path d=\"M\(n(left)) \(n(top))V\(n(bottom))H\(n(left + plotWidth))\" fill=\"none\" \(frame)/>\n"
        out += text(chart.x.label, left + plotWidth / 2, bottom + 37, 12, anchor: "middle")
        let middle = top + plotHeight / 2
        let rotation = " transform=\"rotate(-90 16 \(n(middle)))\""
        return out + text(chart.y.label, 16, middle, 12, anchor: "middle", more: rotation)
    }

    // MARK: Series

    /// Runs of consecutive points that are representable on both axes, in pixels of the plot area.
    private func runs(_ points: [LineChart.Point]) -> [[(x: Double, y: Double, low: Double?, high: Double?)]] {
        var runs: [[(x: Double, y: Double, low: Double?, high: Double?)]] = [[]]
        for point in points {
            guard let px = x.position(point.x), let py = y.position(point.y) else {
                runs.append([])
                continue
            }
            func pixel(_ value: Double?) -> Double? {
                // The end of a band that is not representable on a logarithmic axis is drawn below the plot area.
                value.map { plotHeight * (1 - max(-1, min(2, y.position($0) ?? -1))) }
            }
            runs[runs.count - 1].append(
                (px * plotWidth, plotHeight * (1 - py), pixel(point.band?.lowerBound), pixel(point.band?.upperBound)))
        }
        return runs.filter { !$0.isEmpty }
    }
    private func band(_ series: LineChart.Series, _ i: Int) -> String {
        let (name, pair) = ChartPalette.line(series.color ?? i)
        var out = ""
        for run in runs(series.points) where series.drawing != .points {
            let edge = run.compactMap { p in p.low.flatMap { low in p.high.map { (p.x, low, $0) } } }
            guard edge.count > 1 else { continue }
            let upper = edge.map { "\(n($0.0)) \(n($0.2))" }, lower = edge.reversed().map { "\(n($0.0)) \(n($0.1))" }
            let path = "M" + (upper + lower).joined(separator: "L") + "Z"
            out += "<path d=\"\(path)\" \(ChartPalette.fill(name, pair)) fill-opacity=\"0.18\"/>\n"
        }
        return out
    }
    private func line(_ series: LineChart.Series, _ i: Int) -> String {
        let (name, pair) = ChartPalette.line(series.color ?? i), stroke = ChartPalette.stroke(name, pair)
        var out = "<g>"
        // Viewers show the title as a tooltip.
        if !series.name.isEmpty { out += "<title>\(escaped(series.name))</title>" }
        let runs = runs(series.points)
        if series.drawing != .points {
            for run in runs where run.count > 1 {
                let path = "M" + run.map { "\(n($0.x)) \(n($0.y))" }.joined(separator: "L")
                let look = "stroke-width=\"2\" stroke-linejoin=\"round\"\(dashes(series, i))"
                out += "<path d=\"\(path)\" fill=\"none\" \(stroke) \(look)/>"
            }
        }
        for p in runs.flatMap(\.self) where series.drawing != .line {
            if series.drawing == .points, let low = p.low, let high = p.high {
                out += "<path d=\"M\(n(p.x)) \(n(low))V\(n(high))\" fill=\"none\" \(stroke)/>"
            }
            out += symbol(series.color ?? i, p.x, p.y)
        }
        // A run of a single point has no line and gets a symbol.
        for run in runs where run.count == 1 && series.drawing == .line { out += symbol(series.color ?? i, run[0].x, run[0].y) }
        return out + "</g>\n"
    }
    /// The dash pattern of a line, which distinguishes lines of the same color.
    private func dashes(_ series: LineChart.Series, _ i: Int) -> String {
        if series.isDashed { return " stroke-dasharray=\"5 4\"" }
        let patterns = ["", "8 3", "2 3", "8 3 2 3"]
        let pattern = patterns[(series.color ?? i) / ChartPalette.lines.count % patterns.count]
        return pattern.isEmpty ? "" : " stroke-dasharray=\"\(pattern)\""
    }
    private func symbol(_ i: Int, _ px: Double, _ py: Double) -> String {
        let (name, pair) = ChartPalette.line(i), fill = ChartPalette.fill(name, pair)
        switch i % 4 {
        case 0: return "<circle cx=\"\(n(px))\" cy=\"\(n(py))\" r=\"3.6\" \(fill)/>"
        case 1: return "<rect x=\"\(n(px - 3.3))\" y=\"\(n(py - 3.3))\" width=\"6.6\" height=\"6.6\" \(fill)/>"
        case 2: return "<path d=\"M\(n(px)) \(n(py - 4.4))l4.2 7.4h-8.4Z\" \(fill)/>"
        default: return "<path d=\"M\(n(px)) \(n(py - 4.8))l4.5 4.8l-4.5 4.8l-4.5 -4.8Z\" \(fill)/>"
        }
    }
    private func legendEntry(_ series: LineChart.Series, _ i: Int, _ row: Int) -> String {
        let (name, pair) = ChartPalette.line(series.color ?? i)
        let px = left + plotWidth + 14, py = top + 8 + 19 * Double(row)
        var out = ""
        if series.drawing != .points {
            let path = "M\(n(px)) \(n(py))h22"
            out += "<path d=\"\(path)\" \(ChartPalette.stroke(name, pair)) stroke-width=\"2\"\(dashes(series, i))/>\n"
        }
        if series.drawing != .line { out += symbol(series.color ?? i, px + 11, py) + "\n" }
        return out + text(series.name, px + 29, py + 4, 12)
    }
    private func draw(_ mark: LineChart.Mark) -> String {
        guard let position = x.position(mark.x), (0...1).contains(position) else { return "" }
        let px = left + position * plotWidth, ink = ChartPalette.stroke("ink", ChartPalette.ink)
        var out = "<path d=\"M\(n(px)) \(n(top))v\(n(plotHeight))\" \(ink) stroke-dasharray=\"3 3\"/>\n"
        if let height = mark.y.flatMap(y.position), (0...1).contains(height) {
            let py = top + plotHeight * (1 - height)
            out += "<circle cx=\"\(n(px))\" cy=\"\(n(py))\" r=\"6\" fill=\"none\" \(ink) stroke-width=\"1.5\"/>\n"
        }
        // Near an edge the label is aligned to the side with more space.
        let half = ChartDrawing.width(mark.label, 11) / 2
        let anchor = px - half < 4 ? "start" : px + half > chart.width - 4 ? "end" : "middle"
        return out + text(mark.label, px, top - 5, 11, anchor: anchor)
    }

    // MARK: Text

    private func text(
        _ string: String, _ px: Double, _ py: Double, _ size: Double, anchor: String = "start", bold: Bool = false,
        muted: Bool = false, more: String = ""
    ) -> String {
        let color = muted ? ChartPalette.fill("muted", ChartPalette.muted) : ChartPalette.fill("ink", ChartPalette.ink)
        let layout = "x=\"\(n(px))\" y=\"\(n(py))\" font-size=\"\(n(size))\" text-anchor=\"\(anchor)\""
        return "<text \(layout)\(bold ? " font-weight=\"600\"" : "") \(color)\(more)>\(escaped(string))</text>\n"
    }
    /// Approximate width of a text in common sans-serif fonts, in pixels.
    private static func width(_ text: String, _ size: Double) -> Double { 0.6 * size * Double(text.count) }
    /// A coordinate with a resolution of 0.01 pixels.
    private func n(_ value: Double) -> String {
        let text = String(format: "%.2f", value)
        return text.hasSuffix(".00") ? String(text.dropLast(3)) : text
    }
    private func escaped(_ text: String) -> String {
        var out = String.UnicodeScalarView()
        for c in text.unicodeScalars {
            switch c {
            case "&": out.append(contentsOf: "&amp;".unicodeScalars)
            case "<": out.append(contentsOf: "&lt;".unicodeScalars)
            case ">": out.append(contentsOf: "&gt;".unicodeScalars)
            case "\"": out.append(contentsOf: "&quot;".unicodeScalars)
            // XML 1.0 allows no other control characters, and not U+FFFE and U+FFFF.
            case _ where c.value < 0x20 && !["\t", "\n", "\r"].contains(c), "\u{FFFE}", "\u{FFFF}": out.append("\u{FFFD}")
            default: out.append(c)
            }
        }
        return String(out)
    }
}
