import Foundation
import NSTM

/// What a model is made of, for people: parameters by group and the size of what it carries from token to token.
struct ModelSummary {
    let lines: [String]

    init(_ model: SequenceModel, kind: String) {
        var groups: [(name: String, count: Int)] = []
        for parameter in model.parameters.all where parameter.isTrainable {
            let name = ModelSummary.group(parameter.path)
            if let i = groups.firstIndex(where: { $0.name == name }) {
                groups[i].count += parameter.value.count
            } else {
                groups.append((name, parameter.value.count))
            }
        }
        let shape = model.shape
        var lines = [
            "\(kind), \(shape.layers) layers of width \(shape.width), \(grouped(model.parameters.trainableCount)) parameters"
        ]
        let width = groups.map { $0.name.count }.max() ?? 0
        for group in groups {
            let name = group.name.padding(toLength: width + 2, withPad: " ", startingAt: 0)
            lines.append("  " + name + leftPadded(grouped(group.count), 12))
        }
        let bytes = model.initialState(batch: 1).byteCount
        let limit = model.longestSequence
        if model.carriesEveryToken {
            lines.append("carries every earlier token" + (limit.map { ", at most \($0)" } ?? ""))
        } else {
            let length = limit.map { "up to \($0) tokens" } ?? "any length"
            lines.append("carries \(grouped(bytes)) bytes of state for a sequence of \(length)")
        }
        self.lines = lines
    }

    /// `blocks.3.mixer.router.weight` belongs to `blocks.*.mixer.router`.
    private static func group(_ path: String) -> String {
        let names = path.split(separator: ".").map(String.init)
        guard names.count > 1, names[0] == "blocks" else { return names[0] }
        let inner = names.dropFirst(2)
        let depth = inner.first == "mixer" ? max(1, min(2, inner.count - 1)) : 1
        return "blocks.*." + inner.prefix(depth).joined(separator: ".")
    }
}

/// 1234567 as `1,234,567`.
func grouped(_ n: Int) -> String {
    var digits = String(n.magnitude), parts: [String] = []
    while digits.count > 3 {
        parts.insert(String(digits.suffix(3)), at: 0)
        digits = String(digits.dropLast(3))
    }
    return (n < 0 ? "-" : "") + ([digits] + parts).joined(separator: ",")
}
func leftPadded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}
