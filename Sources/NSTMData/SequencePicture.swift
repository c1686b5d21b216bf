import NSTMTensor

/// A sequence of a batch as text: a column per position, rows for the inputs, the targets and the mask.
///
/// Zeros of vectors and targets that do not count are dots. With `CopyTask` of 1 bit and 2 vectors:
///
///     position  0 1 2 3 4
///     input 0   1 0 . . .
///     input 1   . . 1 . .
///     target 0  . . . 1 0
///     mask      . . . 1 1
package struct SequencePicture: CustomStringConvertible {
    package let description: String

    /// - Parameter index: the sequence in the batch.
    package init(_ batch: Batch, index: Int = 0) {
        let rows = batch.streams.enumerated().flatMap { n, stream in
            SequencePicture.rows(stream, index, batch.others.isEmpty ? "input" : "input \(n + 1)", mask: nil)
        }
        let mask = batch.mask.map { $0.slice(axis: 0, index..<index + 1).doubles() }
        var targets: [(String, [String])] = []
        if batch.targets.rank == 1 {
            targets = [("class", ["\(batch.targets.elements(Int32.self)[index])"])]
        } else {
            targets = SequencePicture.rows(batch.targets, index, "target", mask: mask)
        }
        if let mask { targets.append(("mask", mask.map { $0 != 0 ? "1" : "." })) }
        let all = [("position", (0..<batch.length).map(String.init))] + rows + targets
        let title = all.map(\.0.count).max()!, width = all.flatMap(\.1).map(\.count).max()!
        description = all.map { name, cells in
            let line = name.padded(to: title + 1) + cells.map { " " + $0.padded(to: width) }.joined()
            return String(line.reversed().drop { $0 == " " }.reversed())
        }.joined(separator: "\n")
    }

    /// - Parameter mask: for targets: the mask of the sequence, if there is one.
    private static func rows(_ tensor: Tensor, _ index: Int, _ name: String, mask: [Double]?) -> [(String, [String])] {
        let values = tensor.slice(axis: 0, index..<index + 1).doubles(), length = tensor.shape[1]
        func counts(_ position: Int) -> Bool { mask.map { $0[position] != 0 } ?? true }
        guard tensor.rank == 3 else { return [(name, (0..<length).map { counts($0) ? "\(Int(values[$0]))" : "." })] }
        let channels = tensor.shape[2], isTarget = name == "target"
        return (0..<channels).map { c in
            let cells = (0..<length).map { position -> String in
                let x = values[position * channels + c]
                if isTarget ? !counts(position) : x == 0 { return "." }
                return x == x.rounded() ? "\(Int(x))" : "\((x * 100).rounded() / 100)"
            }
            return ("\(name) \(c)", cells)
        }
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
