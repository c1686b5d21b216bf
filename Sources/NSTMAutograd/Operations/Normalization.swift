import CNSTMKernels
import NSTMTensor

// Softmax, norms and losses over the last axis. StridedRows are worked on in blocks of a fixed number.

/// StridedRows of `columns` elements that a thread takes at a time.
func rowBlock(_ columns: Int) -> Int { max(1, 8_192 / max(1, columns)) }

extension Variable {
    private func rowsAndColumns(_ op: StaticString) -> (Int, Int) {
        guard shape.rank >= 1, shape[-1] > 0 else {
            nstmFatal(.other(op: "\(op)", "needs a last axis that is not empty, got \(shape)"), at: path(of: self))
        }
        return (shape.count / shape[-1], shape[-1])
    }

    /// softmax over the last axis.
    public func softmax() -> Variable {
        let (rows, n) = rowsAndColumns("softmax")
        let x = value.contiguous(), y = Tensor(uninitialized: shape, dtype), real = dtype.real, size = dtype.byteCount
        let to = y.uninitializedPointer
        Parallel.blocks(rows, of: rowBlock(n)) { r in
            let o = r.lowerBound * n * size
            nstm_softmax(real, x.pointer + o, to + o, r.count, n)
        }
        return record(
            "softmax", self, nil, nil, y,
            .pullback { g, sink in
                let g = g.contiguous(), dx = Tensor(uninitialized: y.shape, y.dtype), to = dx.uninitializedPointer
                Parallel.blocks(rows, of: rowBlock(n)) { r in
                    let o = r.lowerBound * n * size
                    nstm_softmax_backward(real, g.pointer + o, y.pointer + o, to + o, r.count, n)
                }
                sink.add(0, dx)
            })
    }
    /// log softmax over the last axis.
    public func logSoftmax() -> Variable {
        let (rows, n) = rowsAndColumns("logSoftmax")
        let x = value.contiguous(), y = Tensor(uninitialized: shape, dtype), real = dtype.real
        nstm_log_softmax(real, x.pointer, y.uninitializedPointer, rows, n)
        return record(
            "logSoftmax", [self], y,
            .pullback { g, sink in
                let g = g.contiguous(), dx = Tensor(uninitialized: y.shape, y.dtype)
                nstm_log_softmax_backward(real, g.pointer, y.pointer, dx.uninitializedPointer, rows, n)
                sink.add(0, dx)
            })
    }

    /// LayerNorm over the last axis (Ba et al. 2016): (x − mean)/√(variance + ε) ⊙ gain + bias.
    public func layerNorm(gain: Variable?, bias: Variable? = nil, epsilon: Double = 1e-5) -> Variable {
        norm("layerNorm", center: true, gain, bias, epsilon)
    }
    /// RMSNorm over the last axis (Zhang & Sennrich 2019): x/√(mean x² + ε) ⊙ gain.
    public func rmsNorm(gain: Variable?, epsilon: Double = 1e-6) -> Variable {
        norm("rmsNorm", center: false, gain, nil, epsilon)
    }

    private func norm(_ name: StaticString, center: Bool, _ gain: Variable?, _ bias: Variable?, _ epsilon: Double) -> Variable {
        let (rows, n) = rowsAndColumns(name)
        func fit(_ p: Variable?) {
            guard let p, p.shape != [n] else { return }
            nstmFatal(.other(op: "\(name)", "gain or bias \(p.shape) does not fit rows of \(n)"), at: path(of: self, p))
        }
        fit(gain)
        fit(bias)
        requireSameType(name, self, gain, bias)
        let x = value.contiguous(), g = gain?.value.contiguous(), b = bias?.value.contiguous()
        let y = Tensor(uninitialized: shape, dtype)
        // Mean and 1/deviation of every row, for the way back.
        let keeps = isRecorded || gain?.isRecorded ?? false || bias?.isRecorded ?? false
        let statistics = keeps ? Tensor(uninitialized: [2, rows], dtype) : nil
        let real = dtype.real, size = dtype.byteCount, flag: Int32 = center ? 1 : 0
        let to = y.uninitializedPointer, toStatistics = statistics?.uninitializedPointer, block = rowBlock(n)
        Parallel.blocks(rows, of: block) { r in
            let o = r.lowerBound * n * size, mean = toStatistics.map { $0 + r.lowerBound * size }
            nstm_norm(
                real, flag, x.pointer + o, g?.pointer, b?.pointer, epsilon, to + o, mean,
                mean.map { $0 + rows * size }, r.count, n)
        }
        if let y = unrecorded(y, of: self, isRecorded: keeps) { return y }
        return record(
            name, self, gain, bias, y, keeping: (name, x, g, b != nil, statistics, flag)
        ) { dy, kept, sink in
            let (name, x, g, hasBias, statistics, flag) = kept.pointee
            let n = x.shape[-1], rows = x.count / n, block = rowBlock(n), real = x.dtype.real, size = x.dtype.byteCount
            let dy = dy.contiguous(), dx = Tensor(uninitialized: x.shape, x.dtype), to = dx.uninitializedPointer
            let blocks = max(1, (rows + block - 1) / block)
            // Sums over rows go through partial sums of fixed blocks.
            let dgain = Tensor(uninitialized: [blocks, n], x.dtype), dbias = Tensor(uninitialized: [blocks, n], x.dtype)
            let toGain = dgain.uninitializedPointer, toBias = dbias.uninitializedPointer
            if rows == 0 { nstm_fill(real, toGain, 0, n); nstm_fill(real, toBias, 0, n) }
            guard let statistics else { nstmFatal(.other(op: "\(name)", "backward without what it keeps")) }
            Parallel.blocks(rows, of: block) { r in
                let o = r.lowerBound * n * size, p = (r.lowerBound / block) * n * size
                let mean = statistics.pointer + r.lowerBound * size
                nstm_norm_backward(
                    real, flag, dy.pointer + o, x.pointer + o, g?.pointer, mean, mean + rows * size, to + o,
                    g == nil ? nil : toGain + p, hasBias ? toBias + p : nil, r.count, n)
            }
            sink.add(0, dx)
            if g != nil { sink.add(1, dgain.sum(axes: [0])) }
            if hasBias { sink.add(2, dbias.sum(axes: [0])) }
        }
    }

    /// RMSNorm(x) ⊙ gain ⊙ silu(gate): the output gate of a recurrent layer, in one pass.
    public func gatedRMSNorm(gain: Variable, gate: Variable, epsilon: Double = 1e-6) -> Variable {
        let (rows, n) = rowsAndColumns("gatedRMSNorm")
        guard gate.shape == shape, gain.shape == Shape(of: n) else {
            nstmFatal(.other(op: "gatedRMSNorm", "x \(shape), gate \(gate.shape), gain \(gain.shape)"), at: path(of: self, gate))
        }
        requireSameType("gatedRMSNorm", self, gain, gate)
        let x = value.contiguous(), z = gate.value.contiguous(), w = gain.value.contiguous()
        let y = Tensor(uninitialized: shape, dtype)
        let rstd = isRecorded || gain.isRecorded || gate.isRecorded ? Tensor(uninitialized: Shape(of: rows), dtype) : nil
        let real = dtype.real, size = dtype.byteCount, to = y.uninitializedPointer, toStd = rstd?.uninitializedPointer,
            block = rowBlock(n)
        Parallel.blocks(rows, of: block) { r in
            let o = r.lowerBound * n * size
            nstm_gated_norm(
                real, x.pointer + o, w.pointer, z.pointer + o, epsilon, to + o,
                toStd.map { $0 + r.lowerBound * size }, r.count, n)
        }
        if let y = unrecorded(y, of: self, isRecorded: rstd != nil) { return y }
        return record(
            "gatedRMSNorm", self, gain, gate, y, keeping: (x, z, w, rstd)
        ) { dy, kept, sink in
            let (x, z, w, rstd) = kept.pointee
            let n = x.shape[-1], rows = x.count / n, block = rowBlock(n), real = x.dtype.real, size = x.dtype.byteCount
            let dy = dy.contiguous(), dx = Tensor(uninitialized: x.shape, x.dtype),
                dz = Tensor(uninitialized: x.shape, x.dtype)
            let blocks = max(1, (rows + block - 1) / block), dgain = Tensor(uninitialized: [blocks, n], x.dtype)
            let to = dx.uninitializedPointer, toGate = dz.uninitializedPointer, toGain = dgain.uninitializedPointer
            guard let rstd else { nstmFatal(.other(op: "gatedRMSNorm", "backward without what it keeps")) }
            if rows == 0 { nstm_fill(real, toGain, 0, n) }
            Parallel.blocks(rows, of: block) { r in
                let o = r.lowerBound * n * size
                nstm_gated_norm_backward(
                    real, dy.pointer + o, x.pointer + o, w.pointer, z.pointer + o,
                    rstd.pointer + r.lowerBound * size, to + o, toGain + (r.lowerBound / block) * n * size, toGate + o,
                    r.count, n)
            }
            sink.add(0, dx)
            sink.add(1, dgain.sum(axes: [0]))
            sink.add(2, dz)
        }
    }

    /// scale · x/√(Σx² + ε) over the last axis.
    public func l2Normalized(scale: Double = 1, epsilon: Double = 1e-6) -> Variable {
        let (rows, n) = rowsAndColumns("l2Normalized")
        let x = value.contiguous(), y = Tensor(uninitialized: shape, dtype), inverse = Tensor(uninitialized: [rows], dtype)
        let real = dtype.real, size = dtype.byteCount, to = y.uninitializedPointer, toInverse = inverse.uninitializedPointer
        Parallel.blocks(rows, of: rowBlock(n)) { r in
            let o = r.lowerBound * n * size
            nstm_l2_norm(real, x.pointer + o, scale, epsilon, to + o, toInverse + r.lowerBound * size, r.count, n)
        }
        return record(
            "l2Normalized", self, nil, nil, y,
            .pullback { dy, sink in
                let dy = dy.contiguous(), dx = Tensor(uninitialized: x.shape, x.dtype), to = dx.uninitializedPointer
                Parallel.blocks(rows, of: rowBlock(n)) { r in
                    let o = r.lowerBound * n * size
                    nstm_l2_norm_backward(
                        real, dy.pointer + o, x.pointer + o, inverse.pointer + r.lowerBound * size, scale, to + o,
                        r.count, n)
                }
                sink.add(0, dx)
            })
    }

    /// Independent gates σ(x), of which the k largest of a row are kept and all others are exactly 0 (ties: lower index first).
    public func topKGates(_ k: Int) -> Variable {
        let (rows, n) = rowsAndColumns("topKGates")
        let x = value.contiguous(), y = Tensor(uninitialized: shape, dtype), real = dtype.real, size = dtype.byteCount
        let to = y.uninitializedPointer
        Parallel.blocks(rows, of: rowBlock(n)) { r in
            let o = r.lowerBound * n * size
            nstm_top_k_gates(real, x.pointer + o, to + o, k, r.count, n)
        }
        // Where a gate was dropped y is 0, and so is y(1 − y).
        return record("topKGates", self, y, keeping: (x, y)) { g, kept, to in
            to.add(0, .mapBackward(NSTM_SIGMOID, dy: g, x: kept.pointee.0, y: kept.pointee.1))
        }
    }
}
