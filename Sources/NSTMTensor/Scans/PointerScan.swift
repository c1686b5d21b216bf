import CNSTMKernels

/// The write head and the read head of a pointer over N states, [B, T, P] each with P = N + 1 positions: position 0 is rest,
/// before the first state, and position n is state n.
///
/// Each head is a distribution over the positions, which is updated by every token:
///
///     w ← a₀ w + a₁ S w;   r ← e₀ r + e₁ S r + e₂ S' r + e₃ rest + e₄ w
///
/// S moves one position forward and discards the share at the last one; S' moves one position back and keeps the share at rest.
/// The read head moves after the write head, so that the move "follow" sets it to the position at which the token writes.
package struct PointerScan {
    /// Moves a of the write head, [B, T, 2]: stay, forward.
    let writeMoves: Tensor
    /// Moves e of the read head, [B, T, 5]: stay, forward, back, home, follow.
    let readMoves: Tensor
    /// Both heads before the first token, [B, 2, P].
    let start: Tensor
    /// Indices of the positions in use, ascending with rest first: one list for all sequences, or one per sequence.
    ///
    /// nil: all positions. The heads skip all others.
    let order: [[Int32]]?

    package init(writeMoves: Tensor, readMoves: Tensor, start: Tensor, order: [[Int32]]? = nil) {
        let b = start.shape.dims.first ?? 0
        guard start.shape.rank == 3, writeMoves.shape.rank == 3, writeMoves.shape[0] == b, writeMoves.shape[2] == 2,
            readMoves.shape == [b, writeMoves.shape[1], 5],
            start.shape[1] == 2, start.shape[2] >= 1, writeMoves.dtype == start.dtype, readMoves.dtype == start.dtype,
            order.map({ ($0.count == 1 || $0.count == b) && $0.allSatisfy { $0.first == 0 } }) ?? true
        else {
            nstmFatal(
                .other(
                    op: "pointerScan",
                    "moves \(writeMoves.shape) and \(readMoves.shape), heads \(start.shape); needs [B, T, 2], [B, T, 5], [B, 2, P]"
                ))
        }
        self.writeMoves = writeMoves.contiguous()
        self.readMoves = readMoves.contiguous()
        self.start = start.contiguous()
        self.order = order
    }
    private var B: Int { start.shape[0] }
    private var T: Int { writeMoves.shape[1] }
    private var P: Int { start.shape[2] }
    /// Calls with the inputs of a sequence.
    private func withKernel(_ b: Int, _ body: (UnsafePointer<nstm_pointer_scan>) -> Void) {
        let size = start.dtype.byteCount
        var scan = nstm_pointer_scan(
            write_moves: writeMoves.pointer + b * T * 2 * size, read_moves: readMoves.pointer + b * T * 5 * size,
            start: start.pointer + b * 2 * P * size, order: nil, count: P, length: T, positions: P)
        guard let order else { return body(&scan) }
        order[order.count == 1 ? 0 : b].withUnsafeBufferPointer {
            (scan.order, scan.count) = ($0.baseAddress, $0.count)
            body(&scan)
        }
    }

    /// Both heads after every token.
    package func forward() -> (writes: Tensor, reads: Tensor) {
        let type = start.dtype, size = type.byteCount
        let w = Tensor(uninitialized: [B, T, P], type), r = Tensor(uninitialized: [B, T, P], type)
        let toW = w.uninitializedPointer, toR = r.uninitializedPointer
        Parallel.for(B, work: 6 * B * T * P) { b in
            withKernel(b) { nstm_pointer_scan_forward(type.real, $0, toW + b * T * P * size, toR + b * T * P * size) }
        }
        return (w, r)
    }
    /// Gradients of the moves and of the heads before the first token.
    /// - Parameters:
    ///   - writes, reads: what `forward` returned.
    ///   - dWrites, dReads: gradients of these; nil counts as 0.
    package func backward(writes: Tensor, reads: Tensor, dWrites: Tensor?, dReads: Tensor?) -> (
        writeMoves: Tensor, readMoves: Tensor, start: Tensor
    ) {
        let type = start.dtype, size = type.byteCount, dW = dWrites?.contiguous(), dR = dReads?.contiguous()
        let dA = Tensor(uninitialized: writeMoves.shape, type), dE = Tensor(uninitialized: readMoves.shape, type)
        let dStart = Tensor(uninitialized: start.shape, type)
        let toA = dA.uninitializedPointer, toE = dE.uninitializedPointer, toStart = dStart.uninitializedPointer
        Parallel.for(B, work: 12 * B * T * P) { b in
            let row = b * T * P * size
            var to = nstm_pointer_gradient(
                write_moves: toA + b * T * 2 * size, read_moves: toE + b * T * 5 * size, start: toStart + b * 2 * P * size)
            withKernel(b) {
                nstm_pointer_scan_backward(
                    type.real, $0, &to, writes.pointer + row, reads.pointer + row, dW.map { $0.pointer + row },
                    dR.map { $0.pointer + row })
            }
        }
        withExtendedLifetime((dW, dR)) {}
        return (dA, dE, dStart)
    }
}
