import CNSTMKernels

/// The recurrence of an LSTM (Hochreiter & Schmidhuber 1997, with forget gates; equations and order of the gates as in PyTorch);
/// `Variable.lstmScan` has the equations.
package struct LSTMScan {
    private let run: RecurrentCell
    private let savesGates: Bool

    package struct Result {
        /// h after every token [B, T, H], and h and the cell after the last one [B, H].
        package let y: Tensor, hidden: Tensor, cell: Tensor
        /// Gates [B, T, 4H], and cells [B, T + 1, H], of which the first is the one before the first token.
        fileprivate let gates: Tensor?, cells: Tensor?
    }
    package struct Gradients {
        package let x: Tensor, hidden: Tensor, cell: Tensor
        package let recurrent: Tensor?
    }

    /// - Parameters:
    ///   - x: contribution of the input to the gates [B, T, 4H]; recurrent: Uᵀ [4H, H].
    ///   - hidden, cell: states before the first token [B, H]; zeros when nil. Both or none.
    ///   - savesGates: whether a backward pass will follow.
    package init(x: Tensor, recurrent: Tensor, hidden: Tensor?, cell: Tensor?, savesGates: Bool) {
        run = RecurrentCell(x, recurrent, [hidden, cell])
        self.savesGates = savesGates
    }

    package func forward() -> Result {
        let (B, T, H, size) = (run.B, run.T, run.H, run.size)
        let y = run.fresh([B, T, H]), last = run.fresh([B, H]), lastCell = run.fresh([B, H])
        let gates = savesGates ? run.fresh([B, T, 4 * H]) : nil, cells = savesGates ? run.fresh([B, T + 1, H]) : nil
        let toY = y.uninitializedPointer, toLast = last.uninitializedPointer, toCell = lastCell.uninitializedPointer,
            toGates = gates?.uninitializedPointer, toCells = cells?.uninitializedPointer
        let u = PackedMatrix(run.real, run.weight.pointer, H, transposed: true, k: H, n: 4 * H)
        run.parts { rows in
            let n = rows.count, first = rows.lowerBound
            // The states are computed in the memory of the states after the last token.
            let hidden = toLast + first * H * size, cell = toCell + first * H * size
            run.copyStart(0, rows, hidden)
            run.copyStart(1, rows, cell)
            if let toCells {
                for r in 0..<n {
                    (toCells + (first + r) * (T + 1) * H * size).copyMemory(from: cell + r * H * size, byteCount: H * size)
                }
            }
            withScratch(byteCount: n * 4 * H * size) { product in
                for t in 0..<T {
                    u.multiply(hidden, H, rows: n, columns: 0..<4 * H, depth: 0..<H, product, 4 * H)
                    var step = nstm_lstm_step(
                        x: run.x.at(first, t, 0), product: product, cell: cell, hidden: hidden,
                        y: toY + (first * T + t) * H * size, gates: toGates.map { $0 + (first * T + t) * 4 * H * size },
                        cells: toCells.map { $0 + (first * (T + 1) + t + 1) * H * size }, x_row: run.x.batch, y_row: T * H,
                        gate_row: T * 4 * H, cell_row: (T + 1) * H, rows: n, n: H)
                    nstm_lstm_step_forward(run.real, &step)
                }
            }
        }
        return Result(y: y, hidden: last, cell: lastCell, gates: gates, cells: cells)
    }

    /// Gradients from those of the outputs; nil counts as 0.
    package func backward(_ r: Result, dY: Tensor?, dHidden: Tensor?, dCell: Tensor?, wantsRecurrent: Bool) -> Gradients {
        guard let gates = r.gates, let cells = r.cells else {
            nstmFatal(.other(op: "lstmScan", "backward without stored gates"))
        }
        let (B, T, H, size) = (run.B, run.T, run.H, run.size)
        let dY = StridedRows(dY ?? .zeros([1, 1, 1], dtype: run.type).broadcast(to: [B, T, H]))
        var dHidden = dHidden ?? .zeros([B, H], dtype: run.type), dCell = dCell ?? .zeros([B, H], dtype: run.type)
        let d = run.fresh([B, T, 4 * H]), to = d.uninitializedPointer, toHidden = dHidden.mutablePointer(),
            toCell = dCell.mutablePointer()
        let u = PackedMatrix(run.real, run.weight.pointer, H, transposed: false, k: 4 * H, n: H)
        run.parts { rows in
            let n = rows.count, first = rows.lowerBound, hidden = toHidden + first * H * size, cell = toCell + first * H * size
            withScratch(byteCount: n * 4 * H * size) { dense in
                for t in stride(from: T - 1, through: 0, by: -1) {
                    let before = cells.pointer + (first * (T + 1) + t) * H * size, at = (first * T + t) * 4 * H * size
                    var step = nstm_lstm_step_gradient(
                        dy: dY.at(first, t, 0), gates: gates.pointer + at, before: before, after: before + H * size,
                        d_hidden: hidden, d_cell: cell, d_gates: dense, to: to + at, dy_row: dY.batch, gate_row: T * 4 * H,
                        cell_row: (T + 1) * H, to_row: T * 4 * H, rows: n, n: H)
                    nstm_lstm_step_backward(run.real, &step)
                    u.multiply(dense, 4 * H, rows: n, columns: 0..<H, depth: 0..<4 * H, hidden, H)
                }
            }
        }
        withExtendedLifetime((dY, gates, cells)) {}
        var recurrent: Tensor?
        if wantsRecurrent {
            let dw = run.fresh([4 * H, H])
            run.weightGradient(d, 4 * H, run.before(r.y), dw.uninitializedPointer)
            recurrent = dw
        }
        return Gradients(x: d, hidden: dHidden, cell: dCell, recurrent: recurrent)
    }
}

/// The recurrence of a GRU (Cho et al., 2014, with the reset gate behind the recurrent product; equations and order of the gates
/// as in PyTorch); `Variable.gruScan` has the equations.
package struct GRUScan {
    private let run: RecurrentCell
    /// Bias, [3H].
    private let bias: Tensor
    private let savesGates: Bool

    package struct Result {
        /// h after every token [B, T, H], and after the last one [B, H].
        package let y: Tensor, hidden: Tensor
        /// r, z, m and the recurrent part of the candidate, [B, T, 4H].
        fileprivate let gates: Tensor?
    }
    package struct Gradients {
        package let x: Tensor, hidden: Tensor
        package let recurrent: Tensor?, bias: Tensor?
    }

    /// - Parameters:
    ///   - x: contribution of the input to the gates [B, T, 3H]; recurrent: Uᵀ [3H, H]; bias: [3H].
    ///   - hidden: h before the first token [B, H]; zeros when nil.
    ///   - savesGates: whether a backward pass will follow.
    package init(x: Tensor, recurrent: Tensor, bias: Tensor, hidden: Tensor?, savesGates: Bool) {
        run = RecurrentCell(x, recurrent, [hidden])
        self.bias = bias.contiguous()
        self.savesGates = savesGates
    }

    package func forward() -> Result {
        let (B, T, H, size) = (run.B, run.T, run.H, run.size)
        let y = run.fresh([B, T, H]), last = run.fresh([B, H]), gates = savesGates ? run.fresh([B, T, 4 * H]) : nil
        let toY = y.uninitializedPointer, toLast = last.uninitializedPointer, toGates = gates?.uninitializedPointer
        let u = PackedMatrix(run.real, run.weight.pointer, H, transposed: true, k: H, n: 3 * H)
        run.parts { rows in
            let n = rows.count, first = rows.lowerBound, hidden = toLast + first * H * size
            run.copyStart(0, rows, hidden)
            withScratch(byteCount: n * 3 * H * size) { product in
                for t in 0..<T {
                    u.multiply(hidden, H, rows: n, columns: 0..<3 * H, depth: 0..<H, product, 3 * H)
                    var step = nstm_gru_step(
                        x: run.x.at(first, t, 0), product: product, bias: bias.pointer, hidden: hidden,
                        y: toY + (first * T + t) * H * size, gates: toGates.map { $0 + (first * T + t) * 4 * H * size },
                        x_row: run.x.batch, y_row: T * H, gate_row: T * 4 * H, rows: n, n: H)
                    nstm_gru_step_forward(run.real, &step)
                }
            }
        }
        return Result(y: y, hidden: last, gates: gates)
    }

    /// Gradients from those of the outputs; nil counts as 0.
    package func backward(_ r: Result, dY: Tensor?, dHidden: Tensor?, wantsRecurrent: Bool, wantsBias: Bool) -> Gradients {
        guard let gates = r.gates else { nstmFatal(.other(op: "gruScan", "backward without stored gates")) }
        let (B, T, H, size) = (run.B, run.T, run.H, run.size), before = run.before(r.y)
        let dY = StridedRows(dY ?? .zeros([1, 1, 1], dtype: run.type).broadcast(to: [B, T, H]))
        var dHidden = dHidden ?? .zeros([B, H], dtype: run.type)
        // The recurrent part of the candidate has a separate gradient; that of the other two gates is the same for input and
        // product.
        let d = run.fresh([B, T, 3 * H]), dCandidate = run.fresh([B, T, H])
        let to = d.uninitializedPointer, toCandidate = dCandidate.uninitializedPointer, toHidden = dHidden.mutablePointer()
        let u = PackedMatrix(run.real, run.weight.pointer, H, transposed: false, k: 3 * H, n: H)
        run.parts { rows in
            let n = rows.count, first = rows.lowerBound, hidden = toHidden + first * H * size
            withScratch(byteCount: n * 3 * H * size) { dense in
                for t in stride(from: T - 1, through: 0, by: -1) {
                    let token = first * T + t
                    var step = nstm_gru_step_gradient(
                        dy: dY.at(first, t, 0), gates: gates.pointer + token * 4 * H * size,
                        before: before.pointer + token * H * size, d_hidden: hidden, d_product: dense,
                        to: to + token * 3 * H * size, to_q: toCandidate + token * H * size, dy_row: dY.batch,
                        gate_row: T * 4 * H, before_row: T * H, to_row: T * 3 * H, q_row: T * H, rows: n, n: H)
                    nstm_gru_step_backward(run.real, &step)
                    u.multiply(dense, 3 * H, rows: n, columns: 0..<H, depth: 0..<3 * H, accumulate: true, hidden, H)
                }
            }
        }
        withExtendedLifetime((dY, gates, before)) {}
        var recurrent: Tensor?
        if wantsRecurrent {
            let dw = run.fresh([3 * H, H]), to = dw.uninitializedPointer
            run.weightGradient(d, 2 * H, before, to)
            run.weightGradient(dCandidate, H, before, to + 2 * H * H * size)
            recurrent = dw
        }
        let bias = wantsBias ? Tensor.concatenate([d.slice(axis: 2, 0..<2 * H), dCandidate], axis: 2).sum(axes: [0, 1]) : nil
        return Gradients(x: d, hidden: dHidden, recurrent: recurrent, bias: bias)
    }
}

/// A pass of a recurrent cell over a batch, shared by LSTM and GRU.
///
/// Each thread processes a few sequences over all tokens, so that threads do not wait for each other.
private struct RecurrentCell: @unchecked Sendable {
    /// Contribution of the input to the gates [B, T, gates · H].
    let x: StridedRows
    /// Uᵀ [gates · H, H].
    let weight: Tensor
    /// States before the first token, [B, H] each; none: zeros.
    let states: [Tensor]
    let B: Int, T: Int, H: Int
    let type: DType
    let real: nstm_real
    let size: Int

    init(_ x: Tensor, _ recurrent: Tensor, _ states: [Tensor?]) {
        self.x = StridedRows(x)
        weight = recurrent.contiguous()
        self.states = states.compactMap { $0?.contiguous() }
        (B, T, H) = (x.shape[0], x.shape[1], recurrent.shape[1])
        type = x.dtype
        real = type.real
        size = type.byteCount
    }
    func fresh(_ shape: Shape) -> Tensor { Tensor(uninitialized: shape, type) }

    /// Calls the body with parts of the batch: half of a small batch, and at most 16 sequences, which are enough rows for an
    /// efficient matrix product.
    func parts(_ body: (Range<Int>) -> Void) { Parallel.blocks(B, of: min(16, max(1, (B + 1) / 2)), body) }

    /// Copies dense rows of a state before the first token.
    func copyStart(_ state: Int, _ rows: Range<Int>, _ to: UnsafeMutableRawPointer) {
        if states.isEmpty {
            nstm_fill(real, to, 0, rows.count * H)
        } else {
            to.copyMemory(from: states[state].pointer + rows.lowerBound * H * size, byteCount: rows.count * H * size)
        }
    }

    /// h before every token [B, T, H], from h after every token.
    func before(_ y: Tensor) -> Tensor {
        let first = states.first?.unsqueezed(axis: 1) ?? .zeros([B, 1, H], dtype: type)
        return T == 0 ? y : .concatenate([first, y.slice(axis: 1, 0..<T - 1)], axis: 1)
    }
    /// Writes the first `columns` columns of dᵀ times h before every token: a gradient of recurrent weights [columns, H].
    func weightGradient(_ d: Tensor, _ columns: Int, _ before: Tensor, _ to: UnsafeMutableRawPointer) {
        Gemm.run(
            real, true, false, columns, H, B * T, 1, d.pointer, d.shape[2], before.pointer, H, 0, to, H)
    }
}
