import NSTMTensor

/// Rows of a memory [B, N, W], of which each operation reads or replaces a few, in place.
///
/// Memory and time of an operation and of its backward pass do not depend on N, apart from the search and from the gradient of the
/// rows that a pass starts with. A scalar that every operation passes on makes the backward pass follow the order of the calls.
public final class SparseMemoryRows {
    private let storage: JournaledRows
    private var version: Variable

    /// - Parameter rows: the rows before the first operation, [B, N, W]; replaced in place where no other tensor shares their memory.
    public init(_ rows: consuming Variable, _ context: ForwardContext) {
        guard rows.shape.rank == 3 else {
            nstmFatal(.other(op: "SparseMemoryRows", "rows \(rows.shape), needs [B, N, W]"), at: context.path)
        }
        let storage = JournaledRows(rows.value, recording: context.tape.isRecording), zero = Tensor.scalar(0, dtype: rows.dtype)
        self.storage = storage
        // Where the rows are constant, the first operation starts the chain.
        version =
            rows.isRecorded
            ? record("sparseMemory", [rows], zero, .pullback { _, gradients in gradients.add(0, storage.takeGradient()) })
            : context.input(zero)
    }

    /// Indices [B, H, k] of the rows most similar to keys [B, H, W] by cosine, the most similar first; without a gradient.
    public func nearest(_ keys: Tensor, _ k: Int) -> Tensor { storage.nearest(keys, k) }

    /// Rows [B, J, W] at indices, int32 [B, J].
    public func callAsFunction(_ indices: Tensor) -> Variable {
        let storage = storage
        return record(
            "sparseRows", [version], storage.take(indices),
            .pullback { g, gradients in
                storage.addGradient(indices, g)
                gradients.add(0, .scalar(0, dtype: g.dtype))
            })
    }
    /// Replaces rows at indices, int32 [B, J], different ones for each sequence, by values [B, J, W].
    public func replace(_ indices: Tensor, with values: Variable) {
        let storage = storage
        storage.replace(indices, values.value)
        version = record(
            "replaceSparseRows", [version, values], .scalar(0, dtype: values.dtype),
            .pullback { g, gradients in
                gradients.add(1, storage.restore())
                gradients.add(0, g)
            })
    }
    /// All rows after the last operation, [B, N, W].
    ///
    /// They are copied if another operation follows, here or in the backward pass.
    public func callAsFunction() -> Variable {
        let storage = storage
        return record(
            "sparseMemoryRows", [version], storage.rows,
            .pullback { g, gradients in
                storage.addGradient(g)
                gradients.add(0, .scalar(0, dtype: g.dtype))
            })
    }
}
