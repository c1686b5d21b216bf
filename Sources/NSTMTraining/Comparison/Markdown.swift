import Foundation

/// Pieces of Markdown reports.
enum Markdown {
    /// A table; columns of numbers are right-aligned.
    static func table(_ header: [String], _ rows: [[String]], leftAligned: Set<Int> = [0]) -> String {
        func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }
        let rule = header.indices.map { leftAligned.contains($0) ? "---" : "---:" }
        return line(header) + line(rule) + rows.map(line).joined()
    }
    /// Text that stays what it is within a cell or a line.
    static func plain(_ text: String) -> String {
        var out = ""
        for c in text {
            if c.isNewline {
                out += " "
            } else {
                if "\\`*_|<>[]#".contains(c) { out += "\\" }
                out.append(c)
            }
        }
        return out
    }
    /// Four digits, without zeros that say nothing.
    static func number(_ value: Double) -> String { String(format: "%.4g", value) }
    /// A difference with four decimals and its sign, which nothing that is shown as zero has.
    static func difference(_ value: Double) -> String { abs(value) < 0.00005 ? "0.0000" : String(format: "%+.4f", value) }
}
