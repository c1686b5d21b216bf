extension Tensor {
    /// The values of padding elements; the names of `torch.nn.functional.pad`.
    public enum PaddingMode: Sendable, Hashable {
        /// One number.
        case constant(Double)
        /// The elements mirrored at the edge, which is not repeated: c b | a b c | b a.
        case reflect
        /// The element at the edge: a a | a b c | c c.
        case replicate
        /// The elements from the other end: b c | a b c | a b.
        case circular

        /// The indices of the source elements of a padded axis, for an axis of n elements.
        package func sources(_ n: Int, before: Int, after: Int, op: String) -> [Int32] {
            let limit =
                switch self {
                case .reflect: n - 1
                case .circular: n
                default: n == 0 ? 0 : Int.max
                }
            guard before <= limit, after <= limit else {
                nstmFatal(.other(op: op, "\(before) and \(after) positions beside an axis of \(n) cannot be filled by \(self)"))
            }
            return (-before..<n + after).map { i in
                switch self {
                case .reflect: Int32(i < 0 ? -i : (i >= n ? 2 * (n - 1) - i : i))
                case .circular: Int32((i + n) % n)
                default: Int32(min(max(i, 0), n - 1))
                }
            }
        }
    }
}

extension Shape {
    /// Padding by axes, checked, as a width for every axis.
    package func paddings(_ widths: [(axis: Int, before: Int, after: Int)]) -> [(before: Int, after: Int)] {
        var all = Array(repeating: (before: 0, after: 0), count: rank), seen: Set<Int> = []
        for w in widths {
            let a = normalized(axis: w.axis)
            guard w.before >= 0, w.after >= 0, seen.insert(a).inserted else {
                nstmFatal(.other(op: "padded", "\(w.before) before and \(w.after) after axis \(a) of \(self); each axis once"))
            }
            all[a] = (w.before, w.after)
        }
        return all
    }
}

extension Tensor {
    /// The tensor with positions added before and after several axes.
    public func padded(_ widths: [(axis: Int, before: Int, after: Int)], _ mode: PaddingMode = .constant(0)) -> Tensor {
        let all = shape.paddings(widths)
        guard case .constant(let value) = mode else {
            return all.enumerated().reduce(self) { x, w in
                if w.element == (0, 0) { return x }
                let sources = mode.sources(shape[w.offset], before: w.element.before, after: w.element.after, op: "padded")
                return x.indexSelect(axis: w.offset, Tensor(sources))
            }
        }
        var whole = shape
        for (axis, w) in all.enumerated() { whole[axis] += w.before + w.after }
        var out = Tensor(repeating: value, whole, dtype: dtype)
        out.write(self) { $0.cropped(all) }
        return out
    }
    /// Zeros added before and after one axis.
    public func padded(axis: Int, before: Int, after: Int) -> Tensor { padded([(axis, before, after)]) }

    /// The view without the elements that padding by these widths adds.
    package func cropped(_ widths: [(before: Int, after: Int)]) -> Tensor {
        widths.enumerated().reduce(self) { x, w in
            x.slice(axis: w.offset, w.element.before..<x.shape[w.offset] - w.element.after)
        }
    }
}
