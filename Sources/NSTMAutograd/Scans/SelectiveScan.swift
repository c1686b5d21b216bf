import CNSTMKernels
import NSTMTensor

/// What a selective scan returns: outputs [B, T, D] and the states after the last token [B, D, N].
public struct SelectiveScan {
    public let output: Variable
    public let state: Variable
}

extension Variable {
    /// Mamba's selective scan (Gu & Dao 2023, algorithm 2; kernel family 3), N states a channel d, with `self` as x
    /// [B, T, D]:
    ///
    ///     h[d] ← exp(Δ[d] A[d]) ⊙ h[d] + Δ[d] x[d] B;  y[d] = C · h[d] + D[d] x[d]
    ///
    /// Nothing of size B × T × D × N is ever in memory: decays are computed where they are used, forward and backward.
    ///
    /// - Parameters:
    ///   - delta: step sizes Δ [B, T, D], positive (after softplus).
    ///   - a: [D, N], negative.
    ///   - b: [B, T, N], shared by the channels.
    ///   - c: [B, T, N], shared by the channels.
    ///   - step: what Δ is multiplied by in the decay of each state, [B, T, N], so that a = exp(step[m] Δ[d] A[d, m]); nil: 1. A
    ///     state whose step is exactly 0 is left exactly as it was, whatever b says; that costs nothing, and no gradient comes from it.
    ///   - skip: the D of the formula, [D]; nil: none.
    ///   - state: h before the first token [B, D, N]; zeros when nil.
    public func selectiveScan(
        delta: Variable, a: Variable, b: Variable, c: Variable, step: Variable? = nil, skip: Variable? = nil,
        state: Variable? = nil
    ) -> SelectiveScan {
        let place = path(of: self, delta, a, b)
        guard shape.rank == 3, delta.shape == shape, a.shape.rank == 2, a.shape[0] == shape[2],
            b.shape == [shape[0], shape[1], a.shape[1]], c.shape == b.shape, step.map({ $0.shape == b.shape }) ?? true,
            skip.map({ $0.shape == [shape[2]] }) ?? true,
            state.map({ $0.shape == [shape[0], shape[2], a.shape[1]] }) ?? true, (1...256).contains(a.shape[1])
        else {
            nstmFatal(
                .other(
                    op: "selectiveScan",
                    "x \(shape), delta \(delta.shape), a \(a.shape), b \(b.shape), c \(c.shape), step "
                        + "\(step?.shape.description ?? "none"), skip \(skip?.shape.description ?? "none"), state \(state?.shape.description ?? "none"); needs "
                        + "[B, T, D] twice, [D, N] with N up to 256, [B, T, N] three times, [D], [B, D, N]"),
                at: place)
        }
        requireSameType("selectiveScan", self, delta, a, b, c, step, skip, state)
        let job = SelectiveJob(
            StridedRows(value), StridedRows(delta.value), a.value.contiguous(), b.value.contiguous(), c.value.contiguous(),
            step?.value.contiguous(), skip?.value.contiguous(),
            keepsStates: [self, delta, a, b, c, step, skip, state].contains { $0?.isRecorded ?? false })
        let result = job.forward(state?.value.contiguous())
        let given = [step, skip, state], inputs = [self, delta, a, b, c] + given.compactMap { $0 }
        // Where each optional input stands in the list.
        let places = given.indices.map { i in given[i] == nil ? nil : 5 + given[..<i].count { $0 != nil } }
        let outputs = record("selectiveScan", inputs, [result.y, result.state]) { g, sink in
            let d = job.backward(result.starts, dY: g[0], dState: g[1])
            sink.add(0, d.x)
            sink.add(1, d.delta)
            sink.add(2, d.a)
            sink.add(3, d.b)
            sink.add(4, d.c)
            for (place, gradient) in zip(places, [d.step, d.skip, d.state]) {
                if let place, let gradient { sink.add(place, gradient) }
            }
        }
        return SelectiveScan(output: outputs[0], state: outputs[1])
    }
}

/// The work is split over sequences and blocks of channels.
private struct SelectiveJob {
    let x: StridedRows, delta: StridedRows
    let a: Tensor, b: Tensor, c: Tensor
    let step: Tensor?, skip: Tensor?
    let B: Int, T: Int, D: Int, N: Int
    let keepsStates: Bool
    let type: DType
    private let real: nstm_real
    private let size: Int
    private static let block = 64, chunk = Int(NSTM_SELECTIVE_CHUNK)
    private var blocks: Int { (D + SelectiveJob.block - 1) / SelectiveJob.block }
    private var chunks: Int { (T + SelectiveJob.chunk - 1) / SelectiveJob.chunk }

    struct Gradient {
        let x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, state: Tensor
        let step: Tensor?, skip: Tensor?
    }

    init(
        _ x: StridedRows, _ delta: StridedRows, _ a: Tensor, _ b: Tensor, _ c: Tensor, _ step: Tensor?, _ skip: Tensor?,
        keepsStates: Bool
    ) {
        (self.x, self.delta, self.a, self.b, self.c, self.step, self.skip) = (x, delta, a, b, c, step, skip)
        B = x.tensor.shape[0]
        T = x.tensor.shape[1]
        D = x.tensor.shape[2]
        N = a.shape[1]
        self.keepsStates = keepsStates
        type = a.dtype
        real = type.real
        size = type.byteCount
    }
    private func kernel(_ n: Int, _ first: Int, _ width: Int) -> nstm_selective_scan {
        nstm_selective_scan(
            x: x.at(n, 0, first), delta: delta.at(n, 0, first), a: a.pointer + first * N * size,
            b: b.pointer + n * T * N * size, c: c.pointer + n * T * N * size,
            skip: skip.map { $0.pointer + first * size }, step: step.map { $0.pointer + n * T * N * size },
            x_stride: x.row, delta_stride: delta.row, length: T, channels: width, n: N)
    }

    func forward(_ initial: Tensor?) -> (y: Tensor, state: Tensor, starts: Tensor?) {
        let y = Tensor(uninitialized: [B, T, D], type), state = Tensor(uninitialized: [B, D, N], type)
        let starts = keepsStates ? Tensor(uninitialized: [B, blocks, chunks, SelectiveJob.block, N], type) : nil
        let toY = y.uninitializedPointer, toState = state.uninitializedPointer, toStarts = starts?.uninitializedPointer
        Parallel.for(B * blocks) { i in
            let n = i / blocks, first = i % blocks * SelectiveJob.block, width = min(SelectiveJob.block, D - first)
            let at = (n * D + first) * N * size
            if let initial {
                (toState + at).copyMemory(from: initial.pointer + at, byteCount: width * N * size)
            } else {
                nstm_fill(real, toState + at, 0, width * N)
            }
            var scan = kernel(n, first, width)
            nstm_selective_scan_forward(
                real, &scan, toY + (n * T * D + first) * size, D, toState + at,
                toStarts.map { $0 + i * chunks * SelectiveJob.block * N * size })
        }
        withExtendedLifetime(initial) {}
        return (y, state, starts)
    }

    func backward(_ starts: Tensor?, dY: Tensor?, dState: Tensor?) -> Gradient {
        guard let starts else { nstmFatal(.other(op: "selectiveScan", "backward without stored states")) }
        let dY = StridedRows(dY ?? .zeros([1, 1, 1], dtype: type).broadcast(to: [B, T, D])), dState = dState?.contiguous()
        func fresh(_ shape: Shape) -> Tensor { Tensor(uninitialized: shape, type) }
        let dx = fresh([B, T, D]), dDelta = fresh([B, T, D]), da = fresh([B, D, N]), state = fresh([B, D, N])
        // b and c are shared by the channels, a and skip by the sequences: a part for each piece, summed in order afterwards.
        let db = Tensor.zeros([blocks, B, T, N], dtype: type), dc = Tensor.zeros([blocks, B, T, N], dtype: type)
        let dStep = step.map { _ in Tensor.zeros([blocks, B, T, N], dtype: type) }
        let dSkip = skip.map { _ in fresh([B, D]) }
        let toX = dx.uninitializedPointer, toDelta = dDelta.uninitializedPointer, toA = da.uninitializedPointer,
            toB = db.uninitializedPointer, toC = dc.uninitializedPointer
        let toState = state.uninitializedPointer, toSkip = dSkip?.uninitializedPointer, toStep = dStep?.uninitializedPointer
        Parallel.for(B * blocks) { i in
            let n = i / blocks, block = i % blocks, first = block * SelectiveJob.block
            let width = min(SelectiveJob.block, D - first)
            let at = (n * D + first) * N * size, row = (n * T * D + first) * size, shared = (block * B + n) * T * N * size
            if let dState {
                (toState + at).copyMemory(from: dState.pointer + at, byteCount: width * N * size)
            } else {
                nstm_fill(real, toState + at, 0, width * N)
            }
            var scan = kernel(n, first, width)
            var to = nstm_selective_gradient(
                x: toX + row, delta: toDelta + row, a: toA + at, b: toB + shared, c: toC + shared, state: toState + at,
                skip: toSkip.map { $0 + (n * D + first) * size }, step: toStep.map { $0 + shared }, stride: D)
            nstm_selective_scan_backward(
                real, &scan, &to, dY.at(n, 0, first), dY.row, starts.pointer + i * chunks * SelectiveJob.block * N * size)
        }
        return Gradient(
            x: dx, delta: dDelta, a: da.summedPieces(), b: db.summedPieces(), c: dc.summedPieces(), state: state,
            step: dStep?.summedPieces(), skip: dSkip?.summedPieces())
    }
}
