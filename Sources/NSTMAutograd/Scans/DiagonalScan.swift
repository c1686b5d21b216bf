import CNSTMKernels
import NSTMTensor

/// A complex number as two variables of one shape.
public struct ComplexVariable {
    public let real: Variable
    public let imaginary: Variable

    public init(real: Variable, imaginary: Variable) {
        self.real = real
        self.imaginary = imaginary
    }
}

/// What a diagonal scan returns: the states after every token [B, T, D], and after the last one [B, D].
public struct DiagonalScan {
    public let output: Variable
    public let state: Variable
}
/// The same with complex numbers.
public struct ComplexDiagonalScan {
    public let output: ComplexVariable
    public let state: ComplexVariable
}

extension Variable {
    /// Linear recurrence of independent channels (kernel family 3), exact and in linear space, with `self` as input b, [B, T, D];
    /// minGRU and minLSTM give z ⊙ h̃:
    ///
    ///     h ← a ⊙ h + b
    ///
    /// - Parameters:
    ///   - decay: a [B, T, D], or [D], the same for every token.
    ///   - state: h before the first token [B, D]; zeros when nil.
    public func diagonalScan(decay: Variable, state: Variable? = nil) -> DiagonalScan {
        let outputs = scanDiagonal("diagonalScan", [self], [decay], state.map { [$0] })
        return DiagonalScan(output: outputs[0], state: outputs[1])
    }
}
extension ComplexVariable {
    /// The diagonal scan h ← a ⊙ h + b with complex numbers (S4D, S5, LRU): b [B, T, D], a [B, T, D] or [D], state [B, D].
    public func diagonalScan(decay: ComplexVariable, state: ComplexVariable? = nil) -> ComplexDiagonalScan {
        let outputs = scanDiagonal(
            "complexDiagonalScan", [real, imaginary], [decay.real, decay.imaginary], state.map { [$0.real, $0.imaginary] })
        return ComplexDiagonalScan(
            output: ComplexVariable(real: outputs[0], imaginary: outputs[1]),
            state: ComplexVariable(real: outputs[2], imaginary: outputs[3]))
    }
}

/// Channels that one piece of work takes through the whole sequence.
private let channelBlock = 128

/// The scan of one plane (real) or two (real and imaginary part). Outputs: the planes of h, then those of the last state.
private func scanDiagonal(_ op: StaticString, _ input: [Variable], _ decay: [Variable], _ state: [Variable]?) -> [Variable] {
    let shape = input[0].shape, type = input[0].dtype, planes = input.count
    let fixed = decay[0].shape.rank == 1, decayShape: Shape = fixed && shape.rank == 3 ? [shape[2]] : shape
    guard shape.rank == 3, (input + decay + (state ?? [])).allSatisfy({ $0.dtype == type }),
        input.allSatisfy({ $0.shape == shape }), decay.allSatisfy({ $0.shape == decayShape }),
        state?.allSatisfy({ $0.shape == [shape[0], shape[2]] }) ?? true
    else {
        let all = (input + decay + (state ?? [])).map { "\($0.shape) \($0.dtype)" }.joined(separator: ", ")
        nstmFatal(
            .other(op: "\(op)", "input, decay, state: \(all); needs [B, T, D], [B, T, D] or [D], and [B, D] of one type"),
            at: path(of: input[0], decay[0]))
    }
    let B = shape[0], T = shape[1], D = shape[2], real = type.real, size = type.byteCount
    let b = input.map { $0.value.contiguous() }, a = decay.map { $0.value.contiguous() }
    let initial = state?.map { $0.value.contiguous() } ?? input.map { _ in Tensor.zeros([B, D], dtype: type) }
    let h = b.map { _ in Tensor(uninitialized: shape, type) }, last = initial.map { _ in Tensor(uninitialized: [B, D], type) }
    let toH = h.map(\.uninitializedPointer), toLast = last.map(\.uninitializedPointer)
    let blocks = (D + channelBlock - 1) / channelBlock, decayRow = fixed ? 0 : D
    Parallel.for(B * blocks) { i in
        let n = i / blocks, c = i % blocks * channelBlock, width = min(channelBlock, D - c)
        let row = (n * T * D + c) * size, at = (n * D + c) * size, decayAt = fixed ? c * size : row
        for p in 0..<planes { (toLast[p] + at).copyMemory(from: initial[p].pointer + at, byteCount: width * size) }
        let imaginary = planes == 2
        nstm_diagonal_scan(
            real, a[0].pointer + decayAt, imaginary ? a[1].pointer + decayAt : nil, decayRow, b[0].pointer + row,
            imaginary ? b[1].pointer + row : nil, toH[0] + row, imaginary ? toH[1] + row : nil, D, toLast[0] + at,
            imaginary ? toLast[1] + at : nil, T, width)
    }
    withExtendedLifetime(b) {}
    // The way back must not hold variables: they hold the tape that holds it.
    let hasState = state != nil
    return record(op, input + decay + (state ?? []), h + last) { g, sink in
        let imaginary = planes == 2
        let dh = (0..<planes).map { g[$0]?.contiguous() }
        let dLast = (0..<planes).map { p in g[planes + p]?.contiguous() ?? .zeros([B, D], dtype: type) }
        let db = h.map { _ in Tensor(uninitialized: shape, type) }, running = h.map { _ in Tensor(uninitialized: [B, D], type) }
        let da = h.map { _ in Tensor(uninitialized: fixed ? [B, D] : shape, type) }
        let toA = da.map(\.uninitializedPointer), toB = db.map(\.uninitializedPointer),
            toState = running.map(\.uninitializedPointer)
        Parallel.for(B * blocks) { i in
            let n = i / blocks, c = i % blocks * channelBlock, width = min(channelBlock, D - c)
            let row = (n * T * D + c) * size, at = (n * D + c) * size, decayAt = fixed ? c * size : row
            let derivativeAt = fixed ? at : row
            for p in 0..<planes { (toState[p] + at).copyMemory(from: dLast[p].pointer + at, byteCount: width * size) }
            nstm_diagonal_scan_backward(
                real, a[0].pointer + decayAt, imaginary ? a[1].pointer + decayAt : nil, decayRow,
                initial[0].pointer + at, imaginary ? initial[1].pointer + at : nil, h[0].pointer + row,
                imaginary ? h[1].pointer + row : nil, dh[0].map { $0.pointer + row },
                imaginary ? dh[1].map { $0.pointer + row } : nil, toA[0] + derivativeAt,
                imaginary ? toA[1] + derivativeAt : nil,
                toB[0] + row, imaginary ? toB[1] + row : nil, D, toState[0] + at, imaginary ? toState[1] + at : nil, T, width)
        }
        withExtendedLifetime((dh, dLast)) {}
        for p in 0..<planes {
            sink.add(p, db[p])
            sink.add(planes + p, fixed ? da[p].summedPieces() : da[p])
            if hasState { sink.add(2 * planes + p, running[p]) }
        }
    }
}
