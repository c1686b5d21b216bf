import Foundation

/// The scale of an axis: the mapping of values to positions, and the ticks.
package struct ChartScale {
    /// A grid line of an axis.
    package struct Tick: Equatable {
        package let value: Double
        /// Text of the tick; empty for a grid line without a label.
        package let label: String
    }
    let base: Int?
    package let low: Double, high: Double
    package let ticks: [Tick]

    /// - Parameters:
    ///   - values: the data, which determines the range if the axis has none.
    ///   - room: maximum number of labels.
    package init(_ axis: LineChart.Axis, values: [Double], room: Int) {
        base = axis.base
        let isLog = axis.base != nil
        let shown = values.filter { $0.isFinite && (!isLog || $0 > 0) }
        var low = shown.min() ?? (isLog ? 1 : 0), high = shown.max() ?? (isLog ? 10 : 1)
        if let range = axis.range, !isLog || range.lowerBound > 0 {
            (low, high) = (range.lowerBound, range.upperBound)
        } else if isLog {
            let margin = max(0.03 * log(high / low), high > low ? 0 : log(1.5))
            (low, high) = (low * exp(-margin), high * exp(margin))
        } else {
            let margin = high > low ? 0.03 * (high - low) : max(1, abs(high)) * 0.1
            // Without a margin below data that starts at 0.
            (low, high) = (low == 0 ? 0 : low - margin, high + margin)
        }
        if !(high > low) { high = isLog ? low * 2 : low + 1 }
        self.low = low
        self.high = high
        ticks = ChartScale.ticks(base: base, low, high, room: max(2, room))
    }

    /// The position of a value, 0 at the low end and 1 at the high end; nil if it is not representable on the axis.
    func position(_ value: Double) -> Double? {
        guard value.isFinite else { return nil }
        guard base != nil else { return (value - low) / (high - low) }
        return value > 0 ? log(value / low) / log(high / low) : nil
    }

    // MARK: Ticks

    private static func ticks(base: Int?, _ low: Double, _ high: Double, room: Int) -> [Tick] {
        guard let base else { return linear(low, high, room: room) }
        let powers = self.powers(Double(base), low, high)
        if powers.count > room {
            let every = (powers.count + room - 1) / room
            return powers.enumerated().map { Tick(value: $1, label: $0 % every == 0 ? label($1, base: base) : "") }
        }
        if powers.count >= 3 { return powers.map { Tick(value: $0, label: label($0, base: base)) } }
        if base == 10 {
            // In less than three decades, labels at 1, 2 and 5 of each.
            let all = self.powers(10, low / 10, high).flatMap { decade in (1...9).map { (decade * Double($0), $0) } }
            let inside = all.filter { (low...high).contains($0.0) }
            let named = inside.filter { [1, 2, 5].contains($0.1) }
            if (3...room).contains(named.count) {
                return inside.map { Tick(value: $0.0, label: [1, 2, 5].contains($0.1) ? label($0.0, base: 10) : "") }
            }
        }
        return linear(low, high, room: room)
    }
    private static func powers(_ base: Double, _ low: Double, _ high: Double) -> [Double] {
        let first = Int((log(low) / log(base) - 1e-9).rounded(.up)), last = Int((log(high) / log(base) + 1e-9).rounded(.down))
        return first <= last ? (first...last).map { pow(base, Double($0)) } : []
    }
    /// Ticks at multiples of 1, 2 or 5 times a power of ten (Heckbert, "Nice numbers for graph labels", Graphics Gems 1990).
    private static func linear(_ low: Double, _ high: Double, room: Int) -> [Tick] {
        let least = (high - low) / Double(room), power = pow(10, log10(least).rounded(.down))
        let step = [1.0, 2, 5, 10].map { $0 * power }.first { $0 >= least * (1 - 1e-9) } ?? 10 * power
        let first = Int((low / step - 1e-9).rounded(.up)), last = Int((high / step + 1e-9).rounded(.down))
        guard first <= last else { return [] }
        let values = (first...last).map { Double($0) * step }, unit = unit(values.map(abs).max() ?? 1)
        let decimals = max(0, Int((-log10(step / unit.size) - 1e-9).rounded(.up)))
        return values.map { Tick(value: $0, label: text($0, unit, decimals: decimals)) }
    }

    // MARK: Numbers

    private typealias Unit = (size: Double, name: String)
    private static func unit(_ largest: Double) -> Unit {
        let units: [Unit] = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")]
        guard largest >= 1e4 else { return (1, "") }
        return units.first { largest >= $0.size } ?? (1, "")
    }
    private static func text(_ value: Double, _ unit: Unit, decimals: Int) -> String {
        if value == 0 { return "0" }
        if decimals > 5 { return String(format: "%g", value) }
        return String(format: "%.\(decimals)f", value / unit.size).replacingOccurrences(of: "-", with: "−") + unit.name
    }
    /// The label of a value, such as `0.05`, `200`, `30k`, `1M`, `1e-6`.
    static func label(_ value: Double, base: Int) -> String {
        let magnitude = abs(value)
        if base == 2, magnitude >= 1024, value == value.rounded() {
            let power = log2(magnitude).rounded()
            if pow(2, power) == magnitude, magnitude >= 1_048_576 { return "2^\(Int(power))" }
            if magnitude < 1e6 { return ProgressReporter.count(value) }
        }
        if magnitude > 0 && magnitude < 1e-3 || magnitude >= 1e18 { return String(format: "%g", value) }
        let unit = unit(magnitude)
        return String(format: "%g", value / unit.size) + unit.name
    }
}
