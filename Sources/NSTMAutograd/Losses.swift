import CNSTMKernels
import NSTMTensor

extension Variable {
    /// Mean cross-entropy, in nats, of logits [..., classes] against int32 class indices [...]. A negative target is ignored;
    /// `weights` [...] count positions (a mask). The mean is over the weight that counted.
    public func crossEntropy(_ targets: Tensor, weights: Tensor? = nil) -> Variable {
        let n = shape[-1], rows = shape.count / max(1, n)
        guard targets.shape == shape.dropLast(), targets.dtype == .int32, weights.map({ $0.shape == targets.shape }) ?? true
        else {
            nstmFatal(
                .other(
                    op: "crossEntropy",
                    "logits \(shape), targets \(targets.shape) \(targets.dtype), weights \(weights?.shape.description ?? "none")"),
                at: path(of: self))
        }
        let x = value.contiguous(), t = targets.contiguous(), w = weights?.cast(to: dtype).contiguous()
        let losses = Tensor(uninitialized: [rows], dtype), lse = Tensor(uninitialized: [rows], dtype)
        let real = dtype.real, size = dtype.byteCount, toLoss = losses.freshBase, toLse = lse.freshBase
        var total = 0.0
        t.withElements(of: Int32.self) { p in
            for i in 0..<rows {
                if p[i] >= Int32(n) {
                    nstmFatal(.other(op: "crossEntropy", "target \(p[i]) is outside 0..<\(n)"), at: path(of: self))
                }
                if p[i] >= 0 && w == nil { total += 1 }
            }
            let targets = p.baseAddress
            Parallel.blocks(rows, of: rowBlock(n)) { r in
                let s = r.lowerBound * size
                nstm_cross_entropy(
                    real, x.constantBase + r.lowerBound * n * size, targets! + r.lowerBound, w.map { $0.constantBase + s },
                    toLoss + s,
                    toLse + s, r.count, n)
            }
        }
        if let w {
            let counted = t.doubles()
            total = zip(w.doubles(), counted).reduce(0) { $0 + ($1.1 >= 0 ? $1.0 : 0) }
        }
        let scale = total > 0 ? 1 / total : 0
        return record(
            "crossEntropy", [self], losses.sum().affine(scale),
            .pullback { g, sink in
                let dx = Tensor(uninitialized: x.shape, x.dtype), to = dx.freshBase, factor = scale * g.item()
                t.withElements(of: Int32.self) { p in
                    let targets = p.baseAddress
                    Parallel.blocks(rows, of: rowBlock(n)) { r in
                        let s = r.lowerBound * size, o = r.lowerBound * n * size
                        nstm_cross_entropy_backward(
                            real, factor, x.constantBase + o, targets! + r.lowerBound, w.map { $0.constantBase + s },
                            lse.constantBase + s, to + o, r.count, n)
                    }
                }
                sink.add(0, dx)
            })
    }

    /// Mean binary cross-entropy, in nats, of logits against targets of the same shape in 0 ... 1; `weights` broadcasts over it.
    public func binaryCrossEntropy(_ targets: Tensor, weights: Tensor? = nil) -> Variable {
        guard targets.shape == shape else {
            nstmFatal(.other(op: "binaryCrossEntropy", "logits \(shape), targets \(targets.shape)"), at: path(of: self))
        }
        // softplus(x) − x·y, which is −y log σ(x) − (1 − y) log(1 − σ(x)) without overflow.
        let loss = softplus() - self * Variable(targets.cast(to: dtype))
        guard let weights else { return loss.mean() }
        let w = weights.cast(to: dtype).broadcast(to: shape)
        let total = w.sum().item()
        return (loss * Variable(w)).sum() * (total > 0 ? 1 / total : 0)
    }

    /// Mean squared error against targets of the same shape.
    public func meanSquaredError(_ targets: Tensor) -> Variable {
        // [n, 1] against [n] would broadcast to [n, n] without a word.
        guard targets.shape == shape else {
            nstmFatal(.other(op: "meanSquaredError", "values \(shape), targets \(targets.shape)"), at: path(of: self))
        }
        return (self - Variable(targets.cast(to: dtype))).squared().mean()
    }
}
