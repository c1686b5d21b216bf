/// A line chart that is written as SVG: series of points over linear or logarithmic axes, with bands, marks and a legend.
///
/// The picture needs nothing but itself, follows the reader's light or dark scheme, and tells lines apart by color, dashes and the
/// shape of their points. All text is escaped.
///
/// ```swift
/// var chart = LineChart("Reading a sequence", x: .log("tokens", base: 2), y: .log("FLOPs a token"))
/// chart.series = [.init("NSTM", xs, own), .init("Transformer", xs, theirs)]
/// chart.marks = [.init(x: 2048, y: 3e6, label: "2,048 tokens")]
/// try Data(chart.svg().utf8).write(to: file, options: .atomic)
/// ```
public struct LineChart: Sendable {
    public var title: String
    /// A line below the title; nil for none.
    public var subtitle: String?
    public var x: Axis
    public var y: Axis
    public var series: [Series] = []
    public var marks: [Mark] = []
    /// Of the whole picture, in pixels.
    public var width = 760.0, height = 440.0

    public init(_ title: String, subtitle: String? = nil, x: Axis, y: Axis, series: [Series] = [], marks: [Mark] = []) {
        self.title = title
        self.subtitle = subtitle
        self.x = x
        self.y = y
        self.series = series
        self.marks = marks
    }

    public struct Axis: Sendable {
        public var label: String
        /// The base of a logarithmic axis, 10 or 2; nil for a linear one.
        public var base: Int?
        /// What is shown; nil for all data. What lies outside is cut off.
        public var range: ClosedRange<Double>?

        public static func linear(_ label: String, range: ClosedRange<Double>? = nil) -> Axis {
            Axis(label: label, base: nil, range: range)
        }
        /// Numbers that are not above 0 have no place on it and are left out.
        public static func log(_ label: String, base: Int = 10, range: ClosedRange<Double>? = nil) -> Axis {
            Axis(label: label, base: base, range: range)
        }
    }

    public struct Point: Sendable, Equatable {
        public var x: Double, y: Double
        /// The ends of the band or of the error bar here; nil for none.
        public var band: ClosedRange<Double>?
        public init(_ x: Double, _ y: Double, band: ClosedRange<Double>? = nil) {
            self.x = x
            self.y = y
            self.band = band
        }
    }

    public enum Drawing: Sendable { case line, points, linePoints }

    public struct Series: Sendable {
        /// In the legend; an empty name is not in it.
        public var name: String
        /// In the order in which they are joined. A coordinate that is not finite makes a gap.
        public var points: [Point]
        public var drawing: Drawing
        /// Number of the color; nil for the place among the series. A fit has the color of its points that way.
        public var color: Int?
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

    /// A vertical line with a word to it, such as where two series cross; with `y` also a ring there.
    public struct Mark: Sendable {
        public var x: Double
        public var y: Double?
        public var label: String
        public init(x: Double, y: Double? = nil, label: String) {
            self.x = x
            self.y = y
            self.label = label
        }
    }
}
