import Foundation
import NSTM

/// Where the write head and the read head of a pointer went during one sequence: a row for rest and each state, a column for each
/// token.
struct HeadPicture {
    /// Row of a head after each token, 0 for rest; nil for a head beyond the last state.
    let writes: [Int?], reads: [Int?]
    /// Whether each token writes: its write weights add up to more than one half.
    let isWritten: [Bool]
    let states: Int
    /// A label for each token, one character.
    let labels: [String]

    /// Collects what the first layer of a pass reports.
    private final class Recorder: ForwardContext.Observer {
        var values: [String: Tensor] = [:]
        func wants(_ name: String, at path: String) -> Bool { ["write-heads", "read-heads", "write"].contains(name) }
        func observe(_ name: String, _ value: Tensor, at path: String) { if values[name] == nil { values[name] = value } }
    }
    /// The heads of the first sequence of the inputs; nil for a model without pointers.
    init?(_ model: SequenceModel, _ inputs: Tensor, labels: [String]) {
        let context = ForwardContext(.evaluate), recorder = Recorder()
        context.observer = recorder
        _ = model(inputs.slice(axis: 0, 0..<1), context)
        guard let writes = recorder.values["write-heads"], let reads = recorder.values["read-heads"],
            let weights = recorder.values["write"]
        else { return nil }
        func rows(_ heads: Tensor) -> [Int?] {
            let count = heads.shape[3], all = heads.select(axis: 1, 0).doubles()
            return (0..<heads.shape[2]).map { t in (0..<count).first { all[t * count + $0] > 0.5 } }
        }
        self.writes = rows(writes)
        self.reads = rows(reads)
        isWritten = weights.sum(axes: [2]).doubles().map { $0 > 0.5 }
        states = writes.shape[3] - 1
        self.labels = labels
    }

    /// The picture in characters: W writes, w is the write head of a token that does not write, r reads, B writes and reads, b is
    /// both heads without a write.
    var text: String {
        var lines = ["          " + labels.joined(separator: " ")]
        for row in 0...states {
            let marks = writes.indices.map { t -> String in
                switch (writes[t] == row, reads[t] == row, isWritten[t]) {
                case (true, true, let writes): writes ? "B" : "b"
                case (true, false, let writes): writes ? "W" : "w"
                case (false, true, _): "r"
                default: "·"
                }
            }
            let name = row == 0 ? "rest" : "state \(row)"
            lines.append(name.padding(toLength: 10, withPad: " ", startingAt: 0) + marks.joined(separator: " "))
        }
        return lines.joined(separator: "\n")
    }

    /// The picture as an SVG document: squares for the write head, filled where the token writes, and disks for the read head.
    var svg: String {
        let cell = 22.0, left = 70.0, top = 56.0
        let width = left + cell * Double(labels.count) + 16, height = top + cell * Double(states + 1) + 16
        func x(_ t: Int) -> Double { left + cell * Double(t) }
        func y(_ row: Int) -> Double { top + cell * Double(row) }
        func text(_ s: String, _ x: Double, _ y: Double, _ anchor: String = "middle") -> String {
            "<text x=\"\(x)\" y=\"\(y)\" font-size=\"12\" fill=\"#444\" text-anchor=\"\(anchor)\">\(s)</text>\n"
        }
        var out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(width) \(height)\" width=\"\(width)\" "
        out += "height=\"\(height)\" role=\"img\" font-family=\"system-ui, sans-serif\">\n"
        out += "<title>Write head and read head</title>\n"
        out += "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        out += text("■ write head (filled: the token writes)   ● read head", 16, 22, "start").replacing("#444", with: "#222")
        for (t, label) in labels.enumerated() { out += text(label, x(t) + cell / 2, top - 8) }
        for row in 0...states {
            out += text(row == 0 ? "rest" : "state \(row)", left - 8, y(row) + 15, "end")
            for t in labels.indices {
                let frame = "<rect x=\"\(x(t) + 1)\" y=\"\(y(row) + 1)\" width=\"\(cell - 2)\" height=\"\(cell - 2)\""
                let isWriter = writes[t] == row
                let fill = isWriter && isWritten[t] ? "#e8833a" : "#f2f2f2"
                out += "\(frame) fill=\"\(fill)\"\(isWriter ? " stroke=\"#e8833a\" stroke-width=\"2\"" : "")/>\n"
                guard reads[t] == row else { continue }
                out += "<circle cx=\"\(x(t) + cell / 2)\" cy=\"\(y(row) + cell / 2)\" r=\"5\" fill=\"#2a62b0\"/>\n"
            }
        }
        return out + "</svg>\n"
    }
}
