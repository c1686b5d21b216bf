import CNSTMKernels

/// Mamba's selective scan (Gu & Dao 2023, algorithm 2; kernel family 3), N states per channel; `Variable.selectiveScan` has the
/// equations.
///
/// The work is split over sequences and blocks of channels.
package struct SelectiveScan {
    private let x: StridedRows, delta: StridedRows
    private let a: Tensor, b: Tensor, c: Tensor
    private let step: Tensor?, skip: Tensor?
    private let B: Int, T: Int, D: Int, N: Int
    private let savesStates: Bool
    private let type: DType
    private let real: nstm_real
    private let size: Int
    private static let block = 64, chunk = Int(NSTM_SELECTIVE_CHUNK)
    private var blocks: Int { (D + SelectiveScan.block - 1) / SelectiveScan.block }
    private var chunks: Int { (T + SelectiveScan.chunk - 1) / SelectiveScan.chunk }

    package struct Result {
        /// Outputs [B, T, D], and the states after the last token [B, D, N].
        package let y: Tensor, state: Tensor
        /// States before each chunk, [B, blocks, chunks, channels of a block, N].
        fileprivate let starts: Tensor?
    }
    package struct Gradients {
        package let x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, state: Tensor
        package let step: Tensor?, skip: Tensor?
    }

    /// - Parameters:
    ///   - x, delta: [B, T, D]; a: [D, N]; b, c: [B, T, N].
    ///   - step: [B, T, N]; nil: 1. skip: [D]; nil: none.
    ///   - savesStates: whether a backward pass will follow.
    package init(
        x: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, step: Tensor?, skip: Tensor?, savesStates: Bool
    ) {
        (self.x, self.delta) = (StridedRows(x), StridedRows(delta))
        (self.a, self.b, self.c) = (a.contiguous(), b.contiguous(), c.contiguous())
        (self.step, self.skip) = (step?.contiguous(), skip?.contiguous())
        B = x.shape[0]
        T = x.shape[1]
        D = x.shape[2]
        N = a.shape[1]
        self.savesStates = savesStates
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

    /// - Parameter initial: states before the first token [B, D, N]; nil: zeros.
    package func forward(_ initial: Tensor?) -> Result {
        let initial = initial?.contiguous()
        let y = Tensor(uninitialized: [B, T, D], type), state = Tensor(uninitialized: [B, D, N], type)
        let starts = savesStates ? Tensor(uninitialized: [B, blocks, chunks, SelectiveScan.block, N], type) : nil
        let toY = y.uninitializedPointer, toState = state.uninitializedPointer, toStarts = starts?.uninitializedPointer
        Parallel.for(B * blocks) { i in
            let n = i / blocks, first = i % blocks * SelectiveScan.block, width = min(SelectiveScan.block, D - first)
            let at = (n * D + first) * N * size
            if let initial {
                (toState + at).copyMemory(from: initial.pointer + at, byteCount: width * N * size)
            } else {
                nstm_fill(real, toState + at, 0, width * N)
            }
            var scan = kernel(n, first, width)
            withScratch(byteCount: nstm_selective_scan_scratch(N, 0) * size) { scratch in
                nstm_selective_scan_forward(
                    real, &scan, toY + (n * T * D + first) * size, D, toState + at,
                    toStarts.map { $0 + i * chunks * SelectiveScan.block * N * size }, scratch)
            }
        }
        withExtendedLifetime(initial) {}
        return Result(y: y, state: state, starts: starts)
    }

    /// Gradients from those of the outputs and of the last states; nil counts as 0.
    package func backward(_ r: Result, dY: Tensor?, dState: Tensor?) -> Gradients {
        guard let starts = r.starts else { nstmFatal(.other(op: "selectiveScan", "backward without stored states")) }
        let dY = StridedRows(dY ?? .zeros([1, 1, 1], dtype: type).broadcast(to: [B, T, D])), dState = dState?.contiguous()
        func fresh(_ shape: Shape) -> Tensor { Tensor(uninitialized: shape, type) }
        let dx = fresh([B, T, D]), dDelta = fresh([B, T, D]), da = fresh([B, D, N]), state = fresh([B, D, N])
        // b and c are shared by the channels, a and skip by the sequences: a partial gradient per piece, summed in order
        // afterwards.
        let db = Tensor.zeros([blocks, B, T, N], dtype: type), dc = Tensor.zeros([blocks, B, T, N], dtype: type)
        let dStep = step.map { _ in Tensor.zeros([blocks, B, T, N], dtype: type) }
        let dSkip = skip.map { _ in fresh([B, D]) }
        let toX = dx.uninitializedPointer, toDelta = dDelta.uninitializedPointer, toA = da.uninitializedPointer,
            toB = db.uninitializedPointer, toC = dc.uninitializedPointer
        let toState = state.uninitializedPointer, toSkip = dSkip?.uninitializedPointer, toStep = dStep?.uninitializedPointer
        Parallel.for(B * blocks) { i in
            let n = i / blocks, block = i % blocks, first = block * SelectiveScan.block
            let width = min(SelectiveScan.block, D - first)
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
            withScratch(byteCount: nstm_selective_scan_scratch(N, 1) * size) { scratch in
                nstm_selective_scan_backward(
                    real, &scan, &to, dY.at(n, 0, first), dY.row, starts.pointer + i * chunks * SelectiveScan.block * N * size,
                    scratch)
            }
        }
        return Gradients(
            x: dx, delta: dDelta, a: da.partialSums(), b: db.partialSums(), c: dc.partialSums(), state: state,
            step: dStep?.partialSums(), skip: dSkip?.partialSums())
    }
}
