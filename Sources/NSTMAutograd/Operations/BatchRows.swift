import NSTMTensor

// StridedRows of every sequence of a batch by index: what a step needs that works on a few states only.

extension Variable {
    /// StridedRows of each batch element, [B, N, ...] → [B, k, ...], by int32 index [B, k]. The indices of a batch element are different ones.
    public func batchRows(_ places: Tensor) -> Variable {
        let whole = shape, type = dtype
        return record(
            "batchRows", self, nil, nil, value.batchRows(places),
            .pullback { g, to in
                to.accumulate(0) { sum in
                    if sum == nil { sum = .zeros(whole, dtype: type) }
                    sum!.addBatchRows(places, g)
                }
            })
    }
    /// This variable with others in place of those rows.
    public func replacingBatchRows(_ places: Tensor, with rows: Variable) -> Variable {
        requireSameType("replacingBatchRows", self, rows)
        var out = value
        out.setBatchRows(places, rows.value)
        return record(
            "replacingBatchRows", self, rows, nil, out,
            .pullback { g, to in
                to.add(1, g.batchRows(places))
                if to.needs(0) {
                    var rest = g
                    rest.setBatchRows(places, nil)
                    to.add(0, rest)
                }
            })
    }
}
