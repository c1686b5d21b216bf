import CNSTMKernels
import NSTMTensor

/// What an LSTM scan returns: h after every token [B, T, H], and h and the cell c after the last one [B, H].
public struct LSTMScan {
    public let output: Variable
    public let hidden: Variable
    public let cell: Variable
}
/// What a GRU scan returns: h after every token [B, T, H] and after the last one [B, H].
public struct GRUScan {
    public let output: Variable
    public let hidden: Variable
}

extension Variable {
    /// The recurrence of an LSTM (Hochreiter & Schmidhuber 1997, with forget gates; equations and order of the gates as in PyTorch),
    /// with `self` as what the gates get from the input and from biases, [B, T, 4H]:
    ///
    ///     i, f, m, o = σ, σ, tanh, σ of x + h U;  c ← f ⊙ c + i ⊙ m;  h ← o ⊙ tanh c
    ///
    /// - Parameters:
    ///   - recurrent: Uᵀ [4H, H].
    ///   - hidden: h before the first token [B, H]; zeros when nil. Given with `cell` or not at all.
    ///   - cell: c before the first token [B, H]; zeros when nil.
    public func lstmScan(recurrent: Variable, hidden: Variable? = nil, cell: Variable? = nil) -> LSTMScan {
        let states = [hidden, cell].compactMap { $0 }
        let run = CellRun("lstmScan", self, recurrent, gates: 4, states: states, stateCount: 2)
        let y = run.fresh([run.B, run.T, run.H]), last = run.fresh([run.B, run.H]), lastCell = run.fresh([run.B, run.H])
        let keeps = isRecorded || recurrent.isRecorded || states.contains(where: \.isRecorded)
        let gates = keeps ? run.fresh([run.B, run.T, 4 * run.H]) : nil
        // The first row is the cell before the first token.
        let cells = keeps ? run.fresh([run.B, run.T + 1, run.H]) : nil
        run.lstm(
            y.uninitializedPointer, last.uninitializedPointer, lastCell.uninitializedPointer, gates?.uninitializedPointer,
            cells?.uninitializedPointer)
        let hasStates = !states.isEmpty
        let outputs = record("lstmScan", [self, recurrent] + states, [y, last, lastCell]) { g, sink in
            guard let gates, let cells else { nstmFatal(.other(op: "lstmScan", "backward without stored gates")) }
            let d = run.lstmBackward(gates, cells, dY: g[0], dHidden: g[1], dCell: g[2])
            sink.add(0, d.gates)
            if sink.needs(1) {
                let before = run.before(y), dw = run.fresh([4 * run.H, run.H])
                run.weights(d.gates, 4 * run.H, before, dw.uninitializedPointer)
                sink.add(1, dw)
            }
            if hasStates {
                sink.add(2, d.hidden)
                sink.add(3, d.cell)
            }
        }
        return LSTMScan(output: outputs[0], hidden: outputs[1], cell: outputs[2])
    }

    /// The recurrence of a GRU (Cho et al. 2014, with the reset gate behind the recurrent product; equations and order of the gates
    /// as in PyTorch), with `self` as what the gates get from the input, [B, T, 3H]:
    ///
    ///     r, z = σ of x + h U + b;  m = tanh(x + r ⊙ (h U + b));  h ← (1 − z) ⊙ m + z ⊙ h
    ///
    /// - Parameters:
    ///   - recurrent: Uᵀ [3H, H]; bias: b [3H].
    ///   - hidden: h before the first token [B, H]; zeros when nil.
    public func gruScan(recurrent: Variable, bias: Variable, hidden: Variable? = nil) -> GRUScan {
        let states = hidden.map { [$0] } ?? []
        let run = CellRun("gruScan", self, recurrent, gates: 3, states: states, stateCount: 1, bias: bias)
        let y = run.fresh([run.B, run.T, run.H]), last = run.fresh([run.B, run.H])
        let keeps = isRecorded || recurrent.isRecorded || bias.isRecorded || hidden?.isRecorded ?? false
        let gates = keeps ? run.fresh([run.B, run.T, 4 * run.H]) : nil
        run.gru(y.uninitializedPointer, last.uninitializedPointer, gates?.uninitializedPointer)
        let hasState = hidden != nil
        let outputs = record("gruScan", [self, recurrent, bias] + states, [y, last]) { g, sink in
            guard let gates else { nstmFatal(.other(op: "gruScan", "backward without stored gates")) }
            let before = run.before(y), d = run.gruBackward(gates, before, dY: g[0], dHidden: g[1]), H = run.H
            sink.add(0, d.gates)
            if sink.needs(1) {
                let dw = run.fresh([3 * H, H]), to = dw.uninitializedPointer
                run.weights(d.gates, 2 * H, before, to)
                run.weights(d.candidate, H, before, to + 2 * H * H * run.size)
                sink.add(1, dw)
            }
            if sink.needs(2) {
                sink.add(2, .concatenate([d.gates.slice(axis: 2, 0..<2 * H), d.candidate], axis: 2).sum(axes: [0, 1]))
            }
            if hasState { sink.add(3, d.hidden) }
        }
        return GRUScan(output: outputs[0], hidden: outputs[1])
    }
}

/// One pass of a cell over a batch. A few sequences go through all tokens together, so that threads need not wait for each other.
private struct CellRun: @unchecked Sendable {
    let x: StridedRows
    let weight: Tensor
    let bias: Tensor?
    let states: [Tensor]
    let B: Int, T: Int, H: Int, gates: Int
    let type: DType
    let real: nstm_real
    let size: Int

    init(
        _ op: StaticString, _ x: Variable, _ recurrent: Variable, gates: Int, states: [Variable], stateCount: Int,
        bias: Variable? = nil
    ) {
        let place = path(of: x, recurrent), shape = x.shape
        guard shape.rank == 3, recurrent.shape.rank == 2, case let H = recurrent.shape[1], recurrent.shape[0] == gates * H, H > 0,
            shape[2] == gates * H, bias.map({ $0.shape == [gates * H] }) ?? true, states.isEmpty || states.count == stateCount,
            states.allSatisfy({ $0.shape == [shape[0], H] })
        else {
            nstmFatal(
                .other(
                    op: "\(op)",
                    "x \(shape), recurrent \(recurrent.shape), bias \(bias?.shape.description ?? "none"), states "
                        + "\(states.map(\.shape)); needs [B, T, \(gates)H], [\(gates)H, H], [\(gates)H], and \(stateCount) or no "
                        + "[B, H]"),
                at: place)
        }
        requireSameType(op, x, recurrent, bias)
        for s in states { requireSameType(op, x, s) }
        self.x = StridedRows(x.value)
        weight = recurrent.value.contiguous()
        self.bias = bias?.value.contiguous()
        self.states = states.map { $0.value.contiguous() }
        (B, T, self.H, self.gates) = (shape[0], shape[1], H, gates)
        type = x.dtype
        real = type.real
        size = type.byteCount
    }
    func fresh(_ shape: Shape) -> Tensor { Tensor(uninitialized: shape, type) }

    /// Half of a small batch, and at most 16 sequences: enough rows for a product that is worth its name.
    private func parts(_ body: (Range<Int>) -> Void) { Parallel.blocks(B, of: min(16, max(1, (B + 1) / 2)), body) }

    /// Dense rows of a state before the first token.
    private func begin(_ state: Int, _ rows: Range<Int>, _ to: UnsafeMutableRawPointer) {
        if states.isEmpty {
            nstm_fill(real, to, 0, rows.count * H)
        } else {
            to.copyMemory(from: states[state].pointer + rows.lowerBound * H * size, byteCount: rows.count * H * size)
        }
    }

    func lstm(
        _ y: UnsafeMutableRawPointer, _ last: UnsafeMutableRawPointer, _ lastCell: UnsafeMutableRawPointer,
        _ gates: UnsafeMutableRawPointer?, _ cells: UnsafeMutableRawPointer?
    ) {
        let u = PackedMatrix(real, weight.pointer, H, transposed: true, k: H, n: 4 * H)
        parts { rows in
            let n = rows.count, first = rows.lowerBound
            // The states are where they stay after the last token.
            let hidden = last + first * H * size, cell = lastCell + first * H * size
            let product = Storage(byteCount: n * 4 * H * size)
            defer { withExtendedLifetime(product) {} }
            begin(0, rows, hidden)
            begin(1, rows, cell)
            if let cells {
                for r in 0..<n {
                    (cells + (first + r) * (T + 1) * H * size).copyMemory(from: cell + r * H * size, byteCount: H * size)
                }
            }
            for t in 0..<T {
                u.multiply(hidden, H, rows: n, columns: 0..<4 * H, depth: 0..<H, product.base, 4 * H)
                nstm_lstm_step(
                    real, x.at(first, t, 0), x.batch, product.base, gates.map { $0 + (first * T + t) * 4 * H * size }, T * 4 * H,
                    cell, cells.map { $0 + (first * (T + 1) + t + 1) * H * size }, (T + 1) * H, hidden,
                    y + (first * T + t) * H * size, T * H, n, H)
            }
        }
    }
    func lstmBackward(
        _ gates: Tensor, _ cells: Tensor, dY: Tensor?, dHidden: Tensor?, dCell: Tensor?
    ) -> (gates: Tensor, hidden: Tensor, cell: Tensor) {
        let dY = StridedRows(dY ?? .zeros([1, 1, 1], dtype: type).broadcast(to: [B, T, H]))
        var dHidden = dHidden ?? .zeros([B, H], dtype: type), dCell = dCell ?? .zeros([B, H], dtype: type)
        let d = fresh([B, T, 4 * H]), to = d.uninitializedPointer, toHidden = dHidden.mutablePointer(),
            toCell = dCell.mutablePointer()
        let u = PackedMatrix(real, weight.pointer, H, transposed: false, k: 4 * H, n: H)
        parts { rows in
            let n = rows.count, first = rows.lowerBound, hidden = toHidden + first * H * size, cell = toCell + first * H * size
            let dense = Storage(byteCount: n * 4 * H * size)
            defer { withExtendedLifetime(dense) {} }
            for t in stride(from: T - 1, through: 0, by: -1) {
                let before = cells.pointer + (first * (T + 1) + t) * H * size, at = (first * T + t) * 4 * H * size
                nstm_lstm_step_backward(
                    real, dY.at(first, t, 0), dY.batch, gates.pointer + at, T * 4 * H, before, (T + 1) * H,
                    before + H * size,
                    (T + 1) * H, hidden, cell, dense.base, to + at, T * 4 * H, n, H)
                u.multiply(dense.base, 4 * H, rows: n, columns: 0..<H, depth: 0..<4 * H, hidden, H)
            }
        }
        return (d, dHidden, dCell)
    }

    func gru(_ y: UnsafeMutableRawPointer, _ last: UnsafeMutableRawPointer, _ gates: UnsafeMutableRawPointer?) {
        let u = PackedMatrix(real, weight.pointer, H, transposed: true, k: H, n: 3 * H), bias = bias!.pointer
        parts { rows in
            let n = rows.count, first = rows.lowerBound, hidden = last + first * H * size
            let product = Storage(byteCount: n * 3 * H * size)
            defer { withExtendedLifetime(product) {} }
            begin(0, rows, hidden)
            for t in 0..<T {
                u.multiply(hidden, H, rows: n, columns: 0..<3 * H, depth: 0..<H, product.base, 3 * H)
                nstm_gru_step(
                    real, x.at(first, t, 0), x.batch, product.base, bias, gates.map { $0 + (first * T + t) * 4 * H * size },
                    T * 4 * H, hidden, y + (first * T + t) * H * size, T * H, n, H)
            }
        }
    }
    /// `candidate`: what the recurrent part of the candidate gets; the other two gates get the same from input and product.
    func gruBackward(
        _ gates: Tensor, _ before: Tensor, dY: Tensor?, dHidden: Tensor?
    ) -> (gates: Tensor, candidate: Tensor, hidden: Tensor) {
        let dY = StridedRows(dY ?? .zeros([1, 1, 1], dtype: type).broadcast(to: [B, T, H]))
        var dHidden = dHidden ?? .zeros([B, H], dtype: type)
        let d = fresh([B, T, 3 * H]), dq = fresh([B, T, H]), to = d.uninitializedPointer, toQ = dq.uninitializedPointer
        let toHidden = dHidden.mutablePointer()
        let u = PackedMatrix(real, weight.pointer, H, transposed: false, k: 3 * H, n: H)
        parts { rows in
            let n = rows.count, first = rows.lowerBound, hidden = toHidden + first * H * size
            let dense = Storage(byteCount: n * 3 * H * size)
            defer { withExtendedLifetime(dense) {} }
            for t in stride(from: T - 1, through: 0, by: -1) {
                let token = first * T + t
                nstm_gru_step_backward(
                    real, dY.at(first, t, 0), dY.batch, gates.pointer + token * 4 * H * size, T * 4 * H,
                    before.pointer + token * H * size, T * H, hidden, dense.base, to + token * 3 * H * size, T * 3 * H,
                    toQ + token * H * size, T * H, n, H)
                u.multiply(
                    dense.base, 3 * H, rows: n, columns: 0..<H, depth: 0..<3 * H, accumulate: true, hidden, H)
            }
        }
        return (d, dq, dHidden)
    }

    /// h before every token [B, T, H], from h after every token.
    func before(_ y: Tensor) -> Tensor {
        let first = states.first?.unsqueezed(axis: 1) ?? .zeros([B, 1, H], dtype: type)
        return T == 0 ? y : .concatenate([first, y.slice(axis: 1, 0..<T - 1)], axis: 1)
    }
    /// The first `columns` columns of dᵀ times h before every token: a gradient of recurrent weights [columns, H].
    func weights(_ d: Tensor, _ columns: Int, _ before: Tensor, _ to: UnsafeMutableRawPointer) {
        Gemm.run(
            real, true, false, columns, H, B * T, 1, d.pointer, d.shape[2], before.pointer, H, 0, to, H)
    }
}
