import NSTMTensor

// Rows of every sequence of a batch by index: what a step needs that works on a few states only.

extension Variable {
    /// Rows of each batch element, [B, N, ...] → [B, k, ...], by int32 index [B, k].
    ///
    /// The indices of a batch element are distinct.
    public func batchRows(_ places: Tensor) -> Variable {
        record("batchRows", self, value: value.batchRows(places), saving: (places, shape)) { g, saved, gradients in
            let (places, shape) = saved.pointee
            gradients.accumulate(0) { sum in
                if sum == nil { sum = .zeros(shape, dtype: g.dtype) }
                sum!.addBatchRows(places, g)
            }
        }
    }
    /// This variable with those rows replaced.
    public func replacingBatchRows(_ places: Tensor, with rows: Variable) -> Variable {
        requireSameType("replacingBatchRows", self, rows)
        var out = value
        out.setBatchRows(places, rows.value)
        return record(
            "replacingBatchRows", self, rows, value: out, saving: places
        ) { g, places, gradients in
            gradients.add(1, g.batchRows(places.pointee))
            if gradients.needs(0) {
                var rest = g
                rest.setBatchRows(places.pointee, nil)
                gradients.add(0, rest)
            }
        }
    }
}
