import NSTMTensor

extension Variable {
    /// The recurrence of an LSTM (Hochreiter & Schmidhuber 1997, with forget gates; equations and order of the gates as in
    /// PyTorch), with `self` as the contribution of the input and of the biases to the gates, [B, T, 4H].
    ///
    ///     i, f, m, o = σ, σ, tanh, σ of x + h U;  c ← f ⊙ c + i ⊙ m;  h ← o ⊙ tanh c
    ///
    /// - Parameters:
    ///   - recurrent: Uᵀ [4H, H].
    ///   - hidden: h before the first token [B, H]; zeros when nil. Given with `cell` or not at all.
    ///   - cell: c before the first token [B, H]; zeros when nil.
    /// - Returns: h after every token [B, T, H]; h and c after the last one [B, H].
    public func lstmScan(recurrent: Variable, hidden: Variable? = nil, cell: Variable? = nil) -> (
        output: Variable, hidden: Variable, cell: Variable
    ) {
        let states = [hidden, cell].compactMap { $0 }
        checkCell("lstmScan", recurrent, gates: 4, states: states, stateCount: 2)
        let scan = LSTMScan(
            x: value, recurrent: recurrent.value, hidden: hidden?.value, cell: cell?.value,
            savesGates: isAnyRecorded(self, recurrent, hidden, cell))
        let result = scan.forward(), hasStates = !states.isEmpty
        let outputs = record("lstmScan", [self, recurrent] + states, [result.y, result.hidden, result.cell]) { g, gradients in
            let d = scan.backward(result, dY: g[0], dHidden: g[1], dCell: g[2], wantsRecurrent: gradients.needs(1))
            gradients.add(0, d.x)
            if let recurrent = d.recurrent { gradients.add(1, recurrent) }
            if hasStates {
                gradients.add(2, d.hidden)
                gradients.add(3, d.cell)
            }
        }
        return (output: outputs[0], hidden: outputs[1], cell: outputs[2])
    }

    /// The recurrence of a GRU (Cho et al., 2014, with the reset gate behind the recurrent product; equations and order of the
    /// gates as in PyTorch), with `self` as the contribution of the input to the gates, [B, T, 3H].
    ///
    ///     r, z = σ of x + h U + b;  m = tanh(x + r ⊙ (h U + b));  h ← (1 − z) ⊙ m + z ⊙ h
    ///
    /// - Parameters:
    ///   - recurrent: Uᵀ [3H, H]; bias: b [3H].
    ///   - hidden: h before the first token [B, H]; zeros when nil.
    /// - Returns: h after every token [B, T, H], and after the last one [B, H].
    public func gruScan(recurrent: Variable, bias: Variable, hidden: Variable? = nil) -> (output: Variable, hidden: Variable) {
        checkCell("gruScan", recurrent, gates: 3, states: hidden.map { [$0] } ?? [], stateCount: 1, bias: bias)
        let scan = GRUScan(
            x: value, recurrent: recurrent.value, bias: bias.value, hidden: hidden?.value,
            savesGates: isAnyRecorded(self, recurrent, bias, hidden))
        let result = scan.forward(), (inputs, positions) = [self, recurrent, bias].appending([hidden])
        let outputs = record("gruScan", inputs, [result.y, result.hidden]) { g, gradients in
            let d = scan.backward(
                result, dY: g[0], dHidden: g[1], wantsRecurrent: gradients.needs(1), wantsBias: gradients.needs(2))
            gradients.add(0, d.x)
            if let recurrent = d.recurrent { gradients.add(1, recurrent) }
            if let bias = d.bias { gradients.add(2, bias) }
            if let i = positions[0] { gradients.add(i, d.hidden) }
        }
        return (output: outputs[0], hidden: outputs[1])
    }

    private func checkCell(
        _ op: StaticString, _ recurrent: Variable, gates: Int, states: [Variable], stateCount: Int, bias: Variable? = nil
    ) {
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
                at: path(of: self, recurrent))
        }
        requireSameType(op, self, recurrent, bias)
        for s in states { requireSameType(op, self, s) }
    }
}
