import NSTMTensor

extension Variable {
    /// Moves the write head and the read head of a pointer over N states (`PointerScan` has the recurrence), with `self` as moves
    /// of the write head, [B, T, 2]: stay, forward.
    ///
    /// - Parameters:
    ///   - readMoves: moves of the read head, [B, T, 5]: stay, forward, back, home, follow.
    ///   - heads: both heads before the first token, [B, 2, N + 1], the write head first; position 0 is rest.
    ///   - order: indices of the positions in use, ascending with rest (0) first, one list for all sequences or one per sequence;
    ///     the heads skip all others, which get 0. nil: all positions.
    /// - Returns: both heads after every token, [B, T, N + 1] each.
    public func pointerScan(readMoves: Variable, heads: Variable, order: [[Int32]]? = nil) -> (
        writes: Variable, reads: Variable
    ) {
        let scan = PointerScan(writeMoves: value, readMoves: readMoves.value, start: heads.value, order: order)
        let (writes, reads) = scan.forward()
        let outputs = record("pointerScan", [self, readMoves, heads], [writes, reads]) { g, gradients in
            let d = scan.backward(writes: writes, reads: reads, dWrites: g[0], dReads: g[1])
            gradients.add(0, d.writeMoves)
            gradients.add(1, d.readMoves)
            gradients.add(2, d.start)
        }
        return (outputs[0], outputs[1])
    }
}
