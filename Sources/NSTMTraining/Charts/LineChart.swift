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
public struct LineChart: Sendable {
    /// Title; empty for none.
    public var title: String
    /// Second line of the title; nil for none.
    public var subtitle: String?
    /// Horizontal axis.
    public var x: Axis
    /// Vertical axis.
    public var y: Axis
    /// Series of points, in the order of drawing.
    public var series: [Series] = []
    /// Vertical lines with labels.
    public var marks: [Mark] = []
    /// Width of the chart, in pixels.
    public var width = 760.0
    /// Height of the chart, in pixels.
    public var height = 440.0

    public init(_ title: String, subtitle: String? = nil, x: Axis, y: Axis, series: [Series] = [], marks: [Mark] = []) {
        self.title = title
        self.subtitle = subtitle
        self.x = x
        self.y = y
        self.series = series
        self.marks = marks
    }

    /// The label, scale and range of an axis.
    public struct Axis: Sendable {
        /// Quantity and unit.
        public var label: String
        /// Base of a logarithmic scale, 10 or 2; nil for a linear one.
        public var base: Int?
        /// Visible range, to which the data is clipped; nil for the range of the data.
        public var range: ClosedRange<Double>?

        /// A linear axis.
        public static func linear(_ label: String, range: ClosedRange<Double>? = nil) -> Axis {
            Axis(label: label, base: nil, range: range)
        }
        /// A logarithmic axis.
        ///
        /// Values that are not above 0 are omitted.
        public static func log(_ label: String, base: Int = 10, range: ClosedRange<Double>? = nil) -> Axis {
            Axis(label: label, base: base, range: range)
        }
    }

    /// A point of a series.
    public struct Point: Sendable, Equatable {
        /// Value on the horizontal axis.
        public var x: Double
        /// Value on the vertical axis.
        public var y: Double
        /// Range of the band (of a line) or of the error bar (of points); nil for none.
        public var band: ClosedRange<Double>?
        public init(_ x: Double, _ y: Double, band: ClosedRange<Double>? = nil) {
            self.x = x
            self.y = y
            self.band = band
        }
    }

    /// The style of a series: a line, symbols, or both.
    public enum Drawing: Sendable { case line, points, linePoints }

    /// A series of points.
    public struct Series: Sendable {
        /// Name in the legend; empty for a series without a legend entry.
        public var name: String
        /// Points in the order in which they are connected.
        ///
        /// A non-finite coordinate is a gap.
        public var points: [Point]
        /// Style.
        public var drawing: Drawing
        /// Index of the color; nil for the index of the series.
        ///
        /// A fit can thus have the color of its points.
        public var color: Int?
        /// Whether the line is dashed.
        public var isDashed: Bool

        public init(_ name: String, _ points: [Point], _ drawing: Drawing = .line, color: Int? = nil, isDashed: Bool = false) {
            self.name = name
            self.points = points
            self.drawing = drawing
            self.color = color
            self.isDashed = isDashed
        }
        public init(_ name: String, _ x: [Double], _ y: [Double], _ drawing: Drawing = .linePoints) {
            self.init(name, zip(x, y).map { Point($0, $1) }, drawing)
        }
    }

    /// A labeled vertical line, for example where two series cross.
    public struct Mark: Sendable {
        /// Value on the horizontal axis.
        public var x: Double
        /// Value on the vertical axis of a ring on the line; nil for none.
        public var y: Double?
        /// Text above the line.
        public var label: String
        public init(x: Double, y: Double? = nil, label: String) {
            self.x = x
            self.y = y
            self.label = label
        }
    }
}
