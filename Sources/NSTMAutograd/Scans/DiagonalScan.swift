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

extension Variable {
    /// Linear recurrence of independent channels (kernel family 3), exact and in linear space, with `self` as input b, [B, T, D];
    /// minGRU and minLSTM give z ⊙ h̃.
    ///
    ///     h ← a ⊙ h + b
    ///
    /// - Parameters:
    ///   - decay: a [B, T, D], or [D], the same for every token.
    ///   - state: h before the first token [B, D]; zeros when nil.
    /// - Returns: h after every token [B, T, D], and after the last one [B, D].
    public func diagonalScan(decay: Variable, state: Variable? = nil) -> (output: Variable, state: Variable) {
        let outputs = scanDiagonal("diagonalScan", [self], [decay], state.map { [$0] })
        return (output: outputs[0], state: outputs[1])
    }
}
extension ComplexVariable {
    /// The diagonal scan h ← a ⊙ h + b with complex numbers (S4D, S5, LRU): b [B, T, D], a [B, T, D] or [D], state [B, D].
    /// - Returns: h after every token [B, T, D], and after the last one [B, D].
    public func diagonalScan(decay: ComplexVariable, state: ComplexVariable? = nil) -> (
        output: ComplexVariable, state: ComplexVariable
    ) {
        let outputs = scanDiagonal(
            "complexDiagonalScan", [real, imaginary], [decay.real, decay.imaginary], state.map { [$0.real, $0.imaginary] })
        return (
            output: ComplexVariable(real: outputs[0], imaginary: outputs[1]),
            state: ComplexVariable(real: outputs[2], imaginary: outputs[3])
        )
    }
}

/// The scan of one plane (real) or two (real and imaginary part).
///
/// The outputs are the planes of h, then those of the last state.
private func scanDiagonal(_ op: StaticString, _ input: [Variable], _ decay: [Variable], _ state: [Variable]?) -> [Variable] {
    let shape = input[0].shape, type = input[0].dtype, planes = input.count, hasState = state != nil
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
    let scan = DiagonalScan(input: input.map(\.value), decay: decay.map(\.value), state: state?.map(\.value))
    let result = scan.forward()
    // The backward function must not capture variables: they refer to the tape that stores it.
    return record(op, input + decay + (state ?? []), result.states + result.last) { g, gradients in
        let d = scan.backward(result.states, dStates: Array(g[..<planes]), dLast: Array(g[planes...]))
        for p in 0..<planes {
            gradients.add(p, d.input[p])
            gradients.add(planes + p, d.decay[p])
            if hasState { gradients.add(2 * planes + p, d.state[p]) }
        }
    }
}
