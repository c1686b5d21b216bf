import NSTMTensor

// Elements by position: slices, flips, shifts and padding. The gradient of a view has zeros outside the elements of
// the view.

extension Variable {
    private func viewed(_ name: StaticString, _ view: @escaping (Tensor) -> Tensor) -> Variable {
        let whole = shape
        return record(name, [self], view(value), .pullback { g, gradients in gradients.add(0, g.placed(in: whole, view)) })
    }

    /// Every `step`-th position of a range along an axis; a negative step goes from the range's last position down.
    public func slice(axis: Int, _ range: Range<Int>, step: Int = 1) -> Variable {
        if range == 0..<shape[axis] && step == 1 { return self }
        return record(
            "slice", self, value: value.slice(axis: axis, range, step: step), saving: (shape, axis, range, step)
        ) { g, saved, gradients in
            let (shape, axis, range, step) = saved.pointee
            gradients.add(0, g.placed(in: shape) { $0.slice(axis: axis, range, step: step) })
        }
    }
    /// One position along an axis, counted from the end if negative; the axis disappears.
    public func select(axis: Int, _ index: Int) -> Variable { viewed("select") { $0.select(axis: axis, index) } }
    /// Elements by position along several axes at once.
    public subscript(_ indices: Tensor.AxisIndex...) -> Variable { indexed(indices) }
    /// The subscript with a list of indices.
    public func indexed(_ indices: [Tensor.AxisIndex]) -> Variable { viewed("index") { $0.indexed(indices) } }

    /// This variable with the elements at given positions replaced by `values`, which are broadcast.
    public func replacing(_ indices: [Tensor.AxisIndex], with values: Variable) -> Variable {
        let own = values.shape
        var out = value
        out.write(values.value, at: indices)
        return record(
            "replace", [self, values], out,
            .pullback { g, gradients in
                if gradients.needs(0) {
                    var rest = g
                    rest.write(.scalar(0, dtype: g.dtype), at: indices)
                    gradients.add(0, rest)
                }
                gradients.add(1, g.indexed(indices).sum(to: own))
            })
    }
    /// The variable with reversed axes (all when nil).
    public func flipped(axes: [Int]? = nil) -> Variable {
        record("flip", [self], value.flipped(axes: axes), .pullback { g, gradients in gradients.add(0, g.flipped(axes: axes)) })
    }
    /// The variable shifted along axes by `shifts`, with elements wrapped around at the ends.
    public func rolled(_ shifts: [Int], axes: [Int]) -> Variable {
        record(
            "roll", [self], value.rolled(shifts, axes: axes),
            .pullback { g, gradients in gradients.add(0, g.rolled(shifts.map { -$0 }, axes: axes)) })
    }

    /// The variable with elements added before and after several axes.
    public func padded(_ widths: [(axis: Int, before: Int, after: Int)], _ mode: Tensor.PaddingMode = .constant(0)) -> Variable {
        let all = shape.paddings(widths)
        if case .constant = mode {
            return record(
                "pad", [self], value.padded(widths, mode), .pullback { g, gradients in gradients.add(0, g.cropped(all)) })
        }
        return all.enumerated().reduce(self) { x, w in
            if w.element == (0, 0) { return x }
            let sources = mode.sources(shape[w.offset], before: w.element.before, after: w.element.after, op: "padded")
            return x.indexSelect(axis: w.offset, Tensor(sources))
        }
    }
}
