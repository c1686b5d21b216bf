import CNSTMKernels

/// Linear recurrence of independent channels (kernel family 3), exact and in linear space: h ← a ⊙ h + b.
///
/// Real numbers are one plane, complex numbers two (real and imaginary part). The work is split over sequences and blocks of
/// channels.
package struct DiagonalScan {
    /// b [B, T, D], a [B, T, D] or [D], and h before the first token [B, D], by plane.
    private let b: [Tensor], a: [Tensor], initial: [Tensor]
    private let B: Int, T: Int, D: Int
    /// Whether a is the same for every token.
    private let isFixed: Bool
    private let shape: Shape
    private let type: DType
    private let real: nstm_real
    private let size: Int
    /// Channels that one piece of work takes through the whole sequence.
    private static let block = 128
    private var blocks: Int { (D + DiagonalScan.block - 1) / DiagonalScan.block }
    private var isComplex: Bool { b.count == 2 }

    /// - Parameter state: h before the first token; nil: zeros.
    package init(input: [Tensor], decay: [Tensor], state: [Tensor]?) {
        shape = input[0].shape
        type = input[0].dtype
        real = type.real
        size = type.byteCount
        (B, T, D) = (shape[0], shape[1], shape[2])
        isFixed = decay[0].rank == 1
        b = input.map { $0.contiguous() }
        a = decay.map { $0.contiguous() }
        let zeros = Shape([B, D]), dtype = type
        initial = state?.map { $0.contiguous() } ?? input.map { _ in Tensor.zeros(zeros, dtype: dtype) }
    }

    /// A piece of work: where its elements begin, in bytes, and its number of channels.
    private struct Piece {
        /// Within [B, T, D], within [B, D], and within the decays.
        let row: Int, state: Int, decay: Int
        let width: Int
    }
    private func piece(_ i: Int) -> Piece {
        let n = i / blocks, c = i % blocks * DiagonalScan.block, row = (n * T * D + c) * size
        return Piece(row: row, state: (n * D + c) * size, decay: isFixed ? c * size : row, width: min(DiagonalScan.block, D - c))
    }

    private func kernel(_ p: Piece) -> nstm_diagonal_scan {
        nstm_diagonal_scan(
            a: a[0].pointer + p.decay, b: b[0].pointer + p.row, a_im: isComplex ? a[1].pointer + p.decay : nil,
            b_im: isComplex ? b[1].pointer + p.row : nil, a_stride: isFixed ? 0 : D, stride: D, length: T, channels: p.width)
    }

    /// States after every token [B, T, D], and after the last one [B, D], by plane.
    package func forward() -> (states: [Tensor], last: [Tensor]) {
        let h = b.map { _ in Tensor(uninitialized: shape, type) }, last = b.map { _ in Tensor(uninitialized: [B, D], type) }
        let toH = h.map(\.uninitializedPointer), toLast = last.map(\.uninitializedPointer)
        Parallel.for(B * blocks) { i in
            let p = piece(i)
            for n in b.indices {
                (toLast[n] + p.state).copyMemory(from: initial[n].pointer + p.state, byteCount: p.width * size)
            }
            var scan = kernel(p)
            nstm_diagonal_scan_forward(
                real, &scan, toH[0] + p.row, isComplex ? toH[1] + p.row : nil, toLast[0] + p.state,
                isComplex ? toLast[1] + p.state : nil)
        }
        return (h, last)
    }

    /// Gradients by plane, from those of the states after every token and after the last one; nil counts as 0.
    /// - Parameter h: the states after every token that `forward` returned.
    package func backward(
        _ h: [Tensor], dStates: [Tensor?], dLast: [Tensor?]
    ) -> (input: [Tensor], decay: [Tensor], state: [Tensor]) {
        let dh = dStates.map { $0?.contiguous() }
        let dLast = dLast.map { $0?.contiguous() ?? .zeros([B, D], dtype: type) }
        let db = h.map { _ in Tensor(uninitialized: shape, type) }, running = h.map { _ in Tensor(uninitialized: [B, D], type) }
        let da = h.map { _ in Tensor(uninitialized: isFixed ? [B, D] : shape, type) }
        let toA = da.map(\.uninitializedPointer), toB = db.map(\.uninitializedPointer),
            toState = running.map(\.uninitializedPointer)
        Parallel.for(B * blocks) { i in
            let p = piece(i), decay = isFixed ? p.state : p.row
            for n in b.indices {
                (toState[n] + p.state).copyMemory(from: dLast[n].pointer + p.state, byteCount: p.width * size)
            }
            var scan = kernel(p)
            var states = nstm_diagonal_states(
                start: initial[0].pointer + p.state, h: h[0].pointer + p.row,
                start_im: isComplex ? initial[1].pointer + p.state : nil, h_im: isComplex ? h[1].pointer + p.row : nil,
                dh: dh[0].map { $0.pointer + p.row }, dh_im: isComplex ? dh[1].map { $0.pointer + p.row } : nil)
            var to = nstm_diagonal_gradient(
                a: toA[0] + decay, b: toB[0] + p.row, state: toState[0] + p.state, a_im: isComplex ? toA[1] + decay : nil,
                b_im: isComplex ? toB[1] + p.row : nil, state_im: isComplex ? toState[1] + p.state : nil)
            nstm_diagonal_scan_backward(real, &scan, &states, &to)
        }
        withExtendedLifetime((dh, dLast)) {}
        return (db, isFixed ? da.map { $0.partialSums() } : da, running)
    }
}
