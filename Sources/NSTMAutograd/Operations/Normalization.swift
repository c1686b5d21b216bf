import NSTMTensor

// Softmax and norms over the last axis.

extension Variable {
    private func requireColumns(_ op: StaticString) {
        guard shape.rank >= 1, shape[-1] > 0 else {
            nstmFatal(.other(op: "\(op)", "needs a last axis that is not empty, got \(shape)"), at: path(of: self))
        }
    }

    /// softmax over the last axis.
    public func softmax() -> Variable {
        requireColumns("softmax")
        let y = value.softmax()
        return record("softmax", self, value: y, saving: y) { g, y, gradients in
            gradients.add(0, .softmaxBackward(dy: g, y: y.pointee))
        }
    }
    /// log softmax over the last axis.
    public func logSoftmax() -> Variable {
        requireColumns("logSoftmax")
        let y = value.logSoftmax()
        return record("logSoftmax", self, value: y, saving: y) { g, y, gradients in
            gradients.add(0, .logSoftmaxBackward(dy: g, y: y.pointee))
        }
    }

    /// LayerNorm over the last axis (Ba et al., 2016): (x − mean)/√(variance + ε) ⊙ gain + bias.
    public func layerNorm(gain: Variable?, bias: Variable? = nil, epsilon: Double = 1e-5) -> Variable {
        norm("layerNorm", center: true, gain, bias, epsilon)
    }
    /// RMSNorm over the last axis (Zhang & Sennrich 2019): x/√(mean x² + ε) ⊙ gain.
    public func rmsNorm(gain: Variable?, epsilon: Double = 1e-6) -> Variable {
        norm("rmsNorm", center: false, gain, nil, epsilon)
    }

    private func norm(_ name: StaticString, center: Bool, _ gain: Variable?, _ bias: Variable?, _ epsilon: Double) -> Variable {
        requireColumns(name)
        let n = shape[-1]
        func fit(_ p: Variable?) {
            guard let p, p.shape != Shape(of: n) else { return }
            nstmFatal(.other(op: "\(name)", "gain or bias \(p.shape) does not fit rows of \(n)"), at: path(of: self, p))
        }
        fit(gain)
        fit(bias)
        requireSameType(name, self, gain, bias)
        let norm = RowNorm(value, gain: gain?.value, hasBias: bias != nil, isCentered: center)
        let (y, statistics) = norm.forward(
            bias: bias?.value, epsilon: epsilon, savesStatistics: isAnyRecorded(self, gain, bias))
        return record(name, self, gain, bias, value: y, saving: (norm, statistics)) { dy, saved, gradients in
            let (norm, statistics) = saved.pointee, d = norm.backward(dy, statistics: statistics)
            gradients.add(0, d.x)
            if let gain = d.gain { gradients.add(1, gain) }
            if let bias = d.bias { gradients.add(2, bias) }
        }
    }

    /// RMSNorm(x) ⊙ gain ⊙ silu(gate): the output gate of a recurrent layer, in one pass.
    public func gatedRMSNorm(gain: Variable, gate: Variable, epsilon: Double = 1e-6) -> Variable {
        requireColumns("gatedRMSNorm")
        guard gate.shape == shape, gain.shape == Shape(of: shape[-1]) else {
            nstmFatal(.other(op: "gatedRMSNorm", "x \(shape), gate \(gate.shape), gain \(gain.shape)"), at: path(of: self, gate))
        }
        requireSameType("gatedRMSNorm", self, gain, gate)
        let norm = GatedRowNorm(value, gate: gate.value, gain: gain.value)
        let (y, statistics) = norm.forward(epsilon: epsilon, savesStatistics: isAnyRecorded(self, gain, gate))
        return record("gatedRMSNorm", self, gain, gate, value: y, saving: (norm, statistics)) { dy, saved, gradients in
            let (norm, statistics) = saved.pointee, d = norm.backward(dy, statistics: statistics)
            gradients.add(0, d.x)
            gradients.add(1, d.gain)
            gradients.add(2, d.gate)
        }
    }

    /// scale · x/√(Σx² + ε) over the last axis.
    public func l2Normalized(scale: Double = 1, epsilon: Double = 1e-6) -> Variable {
        requireColumns("l2Normalized")
        let x = value.contiguous(), (y, inverse) = x.l2Normalized(scale: scale, epsilon: epsilon)
        return record("l2Normalized", self, value: y, saving: (x, inverse, scale)) { dy, saved, gradients in
            let (x, inverse, scale) = saved.pointee
            gradients.add(0, .l2NormalizedBackward(dy: dy, x: x, inverse: inverse, scale: scale))
        }
    }

    /// Independent gates σ(x), of which the k largest of a row are kept and all others are exactly 0 (of equal elements the first
    /// are kept).
    public func topKGates(_ k: Int) -> Variable {
        requireColumns("topKGates")
        let x = value.contiguous(), y = x.topKGates(k)
        return record("topKGates", self, value: y, saving: (x, y)) { g, saved, gradients in
            // y is 0 for gates that are not kept, and so is y(1 − y).
            gradients.add(0, .mapBackward(.sigmoid, dy: g, x: saved.pointee.0, y: saved.pointee.1))
        }
    }
}
