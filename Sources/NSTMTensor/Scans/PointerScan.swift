import CNSTMKernels

extension Tensor {
    /// A move of a head of a pointer over states (`PointerScan`).
    public enum PointerMove: String, Sendable, CaseIterable {
        /// To the position at which the head is.
        case stay
        /// One position forward; from the last state beyond the states, where a head has no weight.
        case forward
        /// One position back; at rest the head stays.
        case back
        /// To rest, the position before the first state.
        case home
        /// To the position of the target head.
        case follow
        /// One position forward, but to the first state from the last one and where the next position is beyond the target head.
        case cycle
        /// To the states that match the token.
        case find
    }
}

/// A head of a pointer over N states: a distribution over P = N + 1 positions, of which position 0 is rest, before the first state,
/// and position n is state n.
///
/// Every token moves the head h by the shares of its moves, with a target head w and a distribution m over the states:
///
///     h ← stay h + forward S h + back S' h + home rest + follow w + cycle C(w) h + find m
///     C(w) h = S h ⊙ (1 − b) + (Σ S h ⊙ b + h_N) first,   b_n = Σ_{m<n} w_m
///
/// S moves one position forward and discards the weight at the last one; S' moves one position back and keeps the weight at rest. b
/// is the probability that a position is beyond the target head, so that C keeps the sum of h. The target is the one after the
/// token: a read head follows a write head to the position at which the token writes.
package struct PointerScan {
    package typealias Move = Tensor.PointerMove
    /// Shares of the moves, [B, T, M].
    private let shares: Tensor
    /// The head before the first token, [B, P].
    private let start: Tensor
    /// The target head after every token, [B, T, P]; nil without the moves follow and cycle.
    private let target: Tensor?
    /// m, [B, T, N]; nil without the move find.
    private let match: Tensor?
    /// Indices of the positions in use, ascending with rest first: one list for all sequences, or one per sequence.
    ///
    /// nil: all positions. The head skips all others.
    private let order: [[Int32]]?
    private let columns: nstm_pointer_columns

    /// - Parameter moves: the M different moves in the order of their shares.
    package init(
        _ moves: [Move], shares: Tensor, start: Tensor, target: Tensor? = nil, match: Tensor? = nil, order: [[Int32]]? = nil
    ) {
        let b = start.shape.dims.first ?? 0, t = shares.shape.rank == 3 ? shares.shape[1] : 0
        let p = start.shape.rank == 2 ? start.shape[1] : 0
        guard p >= 1, shares.shape == [b, t, moves.count], Set(moves).count == moves.count,
            ([shares, target, match].compactMap { $0 }.allSatisfy { $0.dtype == start.dtype }),
            (target != nil) == (moves.contains(.follow) || moves.contains(.cycle)), (match != nil) == moves.contains(.find),
            target.map({ $0.shape == [b, t, p] }) ?? true, match.map({ $0.shape == [b, t, p - 1] }) ?? true,
            order.map({ ($0.count == 1 || $0.count == b) && $0.allSatisfy { $0.first == 0 } }) ?? true
        else {
            let others = "target \(target?.shape.description ?? "none"), match \(match?.shape.description ?? "none")"
            nstmFatal(
                .other(
                    op: "pointerScan",
                    "moves \(moves.map(\.rawValue)) with shares \(shares.shape), head \(start.shape), \(others); "
                        + "needs [B, T, \(moves.count)], [B, P], [B, T, P] for follow and cycle, [B, T, P − 1] for find"))
        }
        self.shares = shares.contiguous()
        self.start = start.contiguous()
        self.target = target?.contiguous()
        self.match = match?.contiguous()
        self.order = order
        func column(_ move: Move) -> Int { moves.firstIndex(of: move) ?? -1 }
        columns = nstm_pointer_columns(
            stay: column(.stay), forward: column(.forward), back: column(.back), home: column(.home), follow: column(.follow),
            cycle: column(.cycle), find: column(.find), count: moves.count)
    }
    private var B: Int { start.shape[0] }
    private var T: Int { shares.shape[1] }
    private var P: Int { start.shape[1] }
    private var size: Int { start.dtype.byteCount }
    /// Calls with the inputs of a sequence.
    private func withKernel(_ b: Int, _ body: (UnsafePointer<nstm_pointer_scan>) -> Void) {
        var scan = nstm_pointer_scan(
            moves: shares.pointer + b * T * columns.count * size, start: start.pointer + b * P * size,
            target: target.map { $0.pointer + b * T * P * size }, match: match.map { $0.pointer + b * T * (P - 1) * size },
            order: nil, columns: columns, count: P, length: T, positions: P)
        guard let order else { return body(&scan) }
        order[order.count == 1 ? 0 : b].withUnsafeBufferPointer {
            (scan.order, scan.count) = ($0.baseAddress, $0.count)
            body(&scan)
        }
    }
    private var work: Int { 4 * B * T * P }

    /// The head after every token, [B, T, P].
    package func forward() -> Tensor {
        let type = start.dtype, heads = Tensor(uninitialized: [B, T, P], type), to = heads.uninitializedPointer
        Parallel.for(B, work: work) { b in
            withKernel(b) { nstm_pointer_scan_forward(type.real, $0, to + b * T * P * size) }
        }
        return heads
    }
    /// Gradients of the inputs.
    package struct Gradients {
        package let shares: Tensor, start: Tensor
        package let target: Tensor?, match: Tensor?
    }
    /// Gradients of the inputs.
    /// - Parameters:
    ///   - heads: what `forward` returned.
    ///   - dHeads: the gradient of these.
    package func backward(heads: Tensor, dHeads: Tensor) -> Gradients {
        let type = start.dtype, d = dHeads.contiguous(), row = P * size
        let dShares = Tensor(uninitialized: shares.shape, type), dStart = Tensor(uninitialized: start.shape, type)
        let dTarget = target.map { Tensor(uninitialized: $0.shape, type) }
        let dMatch = match.map { Tensor(uninitialized: $0.shape, type) }
        let toShares = dShares.uninitializedPointer, toStart = dStart.uninitializedPointer
        let toTarget = dTarget?.uninitializedPointer, toMatch = dMatch?.uninitializedPointer
        Parallel.for(B, work: 2 * work) { b in
            var to = nstm_pointer_gradient(
                moves: toShares + b * T * columns.count * size, start: toStart + b * row,
                target: toTarget.map { $0 + b * T * row }, match: toMatch.map { $0 + b * T * (row - size) })
            withScratch(byteCount: row) { scratch in
                withKernel(b) {
                    nstm_pointer_scan_backward(
                        type.real, $0, &to, heads.pointer + b * T * row, d.pointer + b * T * row, scratch)
                }
            }
        }
        withExtendedLifetime(d) {}
        return Gradients(shares: dShares, start: dStart, target: dTarget, match: dMatch)
    }

    /// Multiply-adds of one token per position in use.
    package static func multiplyAdds(_ moves: [Move]) -> Int {
        2
            + moves.reduce(0) { sum, move in
                switch move {
                case .back, .follow, .find: sum + 1
                case .cycle: sum + 2
                case .stay, .forward, .home: sum
                }
            }
    }
}
