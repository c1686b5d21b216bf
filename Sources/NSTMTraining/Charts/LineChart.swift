/// A line chart for output as SVG: series of points over linear or logarithmic axes, with bands, marks and a legend.
///
/// The document is self-contained, follows the light or dark mode of the viewer, and distinguishes series by color, dashes and
/// symbols. All text is escaped.
///
/// ```swift
/// var chart = LineChart("Reading a sequence", x: .log("tokens", base: 2), y: .log("FLOPs per token"))
/// chart.series = [.init("NSTM", xs, own), .init("Transformer", xs, theirs)]
/// chart.marks = [.init(x: 2048, y: 3e6, label: "2,048 tokens")]
/// try Data(chart.svg().utf8).write(to: file, options: .atomic)
/// ```
package struct LineChart: Sendable {
    /// Title; empty for none.
    package var title: String
    /// Second line of the title; nil for none.
    package var subtitle: String?
    /// Horizontal axis.
    package var x: Axis
    /// Vertical axis.
    package var y: Axis
    /// Series of points, in the order of drawing.
    package var series: [Series] = []
    /// Vertical lines with labels.
    package var marks: [Mark] = []
    /// Width of the chart, in pixels.
    package var width = 760.0
    /// Height of the chart, in pixels.
    package var height = 440.0

    package init(_ title: String, subtitle: String? = nil, x: Axis, y: Axis, series: [Series] = [], marks: [Mark] = []) {
        self.title = title
        self.subtitle = subtitle
        self.x = x
        self.y = y
        self.series = series
        self.marks = marks
    }

    /// The label, scale and range of an axis.
    package struct Axis: Sendable {
        /// Quantity and unit.
        package var label: String
        /// Base of a logarithmic scale, 10 or 2; nil for a linear one.
        package var base: Int?
        /// Visible range, to which the data is clipped; nil for the range of the data.
        package var range: ClosedRange<Double>?

        /// A linear axis.
        package static func linear(_ label: String, range: ClosedRange<Double>? = nil) -> Axis {
            Axis(label: label, base: nil, range: range)
        }
        /// A logarithmic axis.
        ///
        /// Values that are not above 0 are omitted.
        package static func log(_ label: String, base: Int = 10, range: ClosedRange<Double>? = nil) -> Axis {
            Axis(label: label, base: base, range: range)
        }
    }

    /// A point of a series.
    package struct Point: Sendable, Equatable {
        /// Value on the horizontal axis.
        package var x: Double
        /// Value on the vertical axis.
        package var y: Double
        /// Range of the band (of a line) or of the error bar (of points); nil for none.
        package var band: ClosedRange<Double>?
        package init(_ x: Double, _ y: Double, band: ClosedRange<Double>? = nil) {
            self.x = x
            self.y = y
            self.band = band
        }
    }

    /// The style of a series: a line, symbols, or both.
    package enum Drawing: Sendable { case line, points, linePoints }

    /// A series of points.
    package struct Series: Sendable {
        /// Name in the legend; empty for a series without a legend entry.
        package var name: String
        /// Points in the order in which they are connected.
        ///
        /// A non-finite coordinate is a gap.
        package var points: [Point]
        /// Style.
        package var drawing: Drawing
        /// Index of the color; nil for the index of the series.
        ///
        /// A fit can thus have the color of its points.
        package var color: Int?
        /// Whether the line is dashed.
        package var isDashed: Bool

        package init(_ name: String, _ points: [Point], _ drawing: Drawing = .line, color: Int? = nil, isDashed: Bool = false) {
            self.name = name
            self.points = points
            self.drawing = drawing
            self.color = color
            self.isDashed = isDashed
        }
        package init(_ name: String, _ x: [Double], _ y: [Double], _ drawing: Drawing = .linePoints) {
            self.init(name, zip(x, y).map { Point($0, $1) }, drawing)
        }
    }

    /// A labeled vertical line, for example where two series cross.
    package struct Mark: Sendable {
        /// Value on the horizontal axis.
        package var x: Double
        /// Value on the vertical axis of a ring on the line; nil for none.
        package var y: Double?
        /// Text above the line.
        package var label: String
        package init(x: Double, y: Double? = nil, label: String) {
            self.x = x
            self.y = y
            self.label = label
        }
    }
}
