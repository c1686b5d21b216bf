import Foundation

/// Formatting of Markdown reports.
enum Markdown {
    /// A table; columns of numbers are right-aligned.
    static func table(_ header: [String], _ rows: [[String]], leftAligned: Set<Int> = [0]) -> String {
        func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }
        let rule = header.indices.map { leftAligned.contains($0) ? "---" : "---:" }
        return line(header) + line(rule) + rows.map(line).joined()
    }
    /// A text with all Markdown characters escaped, for a table cell or a line.
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
    /// A number with four significant digits, without trailing zeros.
    static func number(_ value: Double) -> String { String(format: "%.4g", value) }
    /// A difference with sign and four decimals; `0.0000` without a sign if it rounds to zero.
    static func difference(_ value: Double) -> String { abs(value) < 0.00005 ? "0.0000" : String(format: "%+.4f", value) }
}

/// Comma-separated values (RFC 4180).
enum CSV {
    /// A header and rows, one line each.
    static func table(_ header: [String], _ rows: [[String]]) -> String {
        ([header] + rows).map { $0.map(quoted).joined(separator: ",") + "\n" }.joined()
    }
    private static func quoted(_ field: String) -> String {
        guard field.contains(where: { ",\"\n\r".contains($0) }) else { return field }
        return "\"" + field.replacingOccurrences(of: "\"", with: "\"\"") + "\""
    }
}

/// Tables for a terminal.
enum AlignedTable {
    /// Columns separated by two spaces; columns of numbers are right-aligned.
    static func text(_ header: [String], _ rows: [[String]], leftAligned: Set<Int>) -> String {
        let lines = [header] + rows
        let widths = header.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            let cells = line.enumerated().map { i, cell in
                let space = String(repeating: " ", count: widths[i] - cell.count)
                return leftAligned.contains(i) ? cell + space : space + cell
            }
            var text = cells.joined(separator: "  ")
            while text.last == " " { text.removeLast() }
            return text + "\n"
        }.joined()
    }
}
