import NSTMTensor

// Rows of every sequence of a batch by index, for steps that update only a few states.

extension Variable {
    /// Rows of each batch element, [B, N, ...] → [B, k, ...], by int32 index [B, k].
    ///
    /// The indices of a batch element are distinct.
    public func batchRows(_ indices: Tensor) -> Variable {
        record("batchRows", self, value: value.batchRows(indices), saving: (indices, shape)) { g, saved, gradients in
            let (indices, shape) = saved.pointee
            gradients.accumulate(0) { sum in
                if sum == nil { sum = .zeros(shape, dtype: g.dtype) }
                sum!.addBatchRows(indices, g)
            }
        }
    }
    /// This variable with the rows at the indices [B, k] replaced by others, [B, k, ...].
    public func replacingBatchRows(_ indices: Tensor, with rows: Variable) -> Variable {
        requireSameType("replacingBatchRows", self, rows)
        var out = value
        out.setBatchRows(indices, rows.value)
        return record(
            "replacingBatchRows", self, rows, value: out, saving: indices
        ) { g, indices, gradients in
            gradients.add(1, g.batchRows(indices.pointee))
            if gradients.needs(0) {
                var rest = g
                rest.setBatchRows(indices.pointee, nil)
                gradients.add(0, rest)
            }
        }
    }
}
