import Foundation
import Testing

import NSTMTraining

#if canImport(FoundationXML)
    import FoundationXML
#endif

struct ChartTests {
    /// What a parser finds in a picture.
    private final class Found: NSObject, XMLParserDelegate {
        var elements: [(name: String, attributes: [String: String])] = []
        var texts: [String] = []
        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String]
        ) {
            elements.append((name, attributes))
            texts.append("")
        }
        func parser(_ parser: XMLParser, foundCharacters text: String) { texts[texts.count - 1] += text }
        func all(_ name: String) -> [[String: String]] { elements.filter { $0.name == name }.map(\.attributes) }
    }
    private func parse(_ chart: LineChart) throws -> Found {
        let parser = XMLParser(data: Data(chart.svg().utf8)), found = Found()
        parser.delegate = found
        #expect(parser.parse(), "\(String(describing: parser.parserError))")
        return found
    }
    private func numbers(_ path: String) -> [Double] {
        path.split { !"0123456789.-".contains($0) }.compactMap { Double($0) }
    }

    @Test func textIsEscaped() throws {
        let wild = "a<b & \"c\" > 'd' ]]> <script>\u{1}é"
        var chart = LineChart(wild, subtitle: wild, x: .linear(wild), y: .log(wild))
        chart.series = [.init(wild, [1, 2], [1, 2]), .init("other", [1, 2], [3, 4])]
        chart.marks = [.init(x: 1.5, y: 2, label: wild)]
        let found = try parse(chart)
        let clean = wild.replacingOccurrences(of: "\u{1}", with: "\u{FFFD}")
        // Title, subtitle, two axes, legend, mark, and the titles of the picture and of a line.
        #expect(found.texts.filter { $0.trimmingCharacters(in: .whitespacesAndNewlines) == clean }.count == 8)
        #expect(found.all("script").isEmpty)
    }

    /// On two logarithmic axes a power law is a straight line, and lines are at the positions of their values.
    @Test func pointsAreAtTheirValues() throws {
        let xs = [1.0, 10, 100, 1000]
        var chart = LineChart("t", x: .log("x", range: 1...1000), y: .log("y", range: 1...1e6))
        chart.series = [.init("square", xs.map { .init($0, $0 * $0) })]
        let path = try #require(try parse(chart).all("path").last { $0["stroke-width"] == "2" }?["d"])
        let pixels = numbers(path)
        let plot = try #require(try parse(chart).all("svg").last)
        let width = try #require(Double(plot["width"]!)), height = try #require(Double(plot["height"]!))
        for (i, at) in [0, 1.0 / 3, 2.0 / 3, 1].enumerated() {
            #expect(abs(pixels[2 * i] - at * width) < 0.02 && abs(pixels[2 * i + 1] - (1 - at) * height) < 0.02)
        }
    }

    @Test func numbersWithoutAPlaceMakeGaps() throws {
        var chart = LineChart("t", x: .linear("x"), y: .log("y"))
        let ys = [1, 2, .nan, 3, 4, -1, 5, .infinity, 0]
        chart.series = [.init("a", ys.enumerated().map { .init(Double($0), $1) })]
        let found = try parse(chart)
        #expect(found.all("path").filter { $0["stroke-width"] == "2" }.count == 2)
        #expect(found.all("circle").count == 1)
        for value in ["nan", "inf"] { #expect(!chart.svg().contains(value)) }
        // Nothing at all is a picture too.
        chart.series = []
        _ = try parse(chart)
        chart.series = [.init("one", [.init(2, 2)]), .init("none", [])]
        _ = try parse(chart)
    }

    @Test(arguments: [(nil, 0.0, 2000.0), (nil, -3, 4.1), (nil, 0.123, 0.129), (10, 0.9, 7), (10, 1e-3, 1e9), (2, 60, 70_000)])
    func ticksAreFewAndNamedRight(base: Int?, low: Double, high: Double) {
        let axis = base.map { LineChart.Axis.log("", base: $0) } ?? .linear("")
        let scale = ChartScale(axis, values: [low, high], room: 8)
        let named = scale.ticks.filter { !$0.label.isEmpty }
        #expect((3...8).contains(named.count), "\(scale.ticks)")
        #expect(scale.low <= low && scale.high >= high && Set(named.map(\.label)).count == named.count)
        let units: [Character: Double] = ["k": 1e3, "M": 1e6, "G": 1e9]
        for tick in named {
            let text = tick.label.replacingOccurrences(of: "−", with: "-").replacingOccurrences(of: ",", with: "")
            let unit = text.last.flatMap { units[$0] }, value = Double(unit == nil ? text : String(text.dropLast()))
            #expect(value.map { abs($0 * (unit ?? 1) - tick.value) <= 1e-9 * max(1, abs(tick.value)) } == true, "\(tick)")
            #expect((scale.low...scale.high).contains(tick.value))
        }
    }

    /// Contrast as WCAG 2 defines it: 3 for lines, 4.5 for text.
    @Test func everythingCanBeRead() {
        func luminance(_ hex: String) -> Double {
            let value = Int(hex.dropFirst(), radix: 16)!
            let parts = [16, 8, 0].map { shift -> Double in
                let c = Double(value >> shift & 255) / 255
                return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4)
            }
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
        }
        func contrast(_ a: String, _ b: String) -> Double {
            let (x, y) = (luminance(a), luminance(b))
            return (max(x, y) + 0.05) / (min(x, y) + 0.05)
        }
        let ground = ChartPalette.ground
        for color in ChartPalette.lines {
            #expect(contrast(color.light, ground.light) >= 3 && contrast(color.dark, ground.dark) >= 3, "\(color)")
        }
        for color in [ChartPalette.ink, ChartPalette.muted] {
            #expect(contrast(color.light, ground.light) >= 4.5 && contrast(color.dark, ground.dark) >= 4.5)
        }
    }

    /// More lines than colors: no two look alike.
    @Test func manyLinesDiffer() throws {
        var chart = LineChart("t", x: .linear("x"), y: .linear("y"))
        chart.series = (0..<20).map { .init("line \($0)", [0, 1], [Double($0), 2], .line) }
        let lines = try parse(chart).all("path").filter { $0["stroke-width"] == "2" && $0["fill"] == "none" }
        #expect(lines.count == 20)
        #expect(Set(lines.map { ($0["stroke"] ?? "") + ($0["stroke-dasharray"] ?? "") }).count == 20)
    }
}
