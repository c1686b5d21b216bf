import CNSTMKernels

// Softmax and norms over the last axis, which must not be empty. Rows are computed in blocks of a fixed size.

/// Number of rows of `columns` elements that a thread computes at a time.
func rowBlock(_ columns: Int) -> Int { max(1, 8_192 / max(1, columns)) }

/// The rows of tensors of one shape and type: their number and length, and the block that a thread computes at a time.
private struct RowLayout {
    let rows: Int, columns: Int, block: Int
    let real: nstm_real
    let size: Int
    var blocks: Int { max(1, (rows + block - 1) / block) }

    init(_ x: Tensor) {
        columns = x.shape[-1]
        rows = x.count / max(1, columns)
        block = rowBlock(columns)
        real = x.dtype.real
        size = x.dtype.byteCount
    }
    /// Calls with each block: its first row, its offset in bytes and its number of rows.
    @inline(__always) func forEachBlock(_ body: (_ first: Int, _ offset: Int, _ count: Int) -> Void) {
        Parallel.blocks(rows, of: block) { r in body(r.lowerBound, r.lowerBound * columns * size, r.count) }
    }
}

extension Tensor {
    /// softmax over the last axis.
    package func softmax() -> Tensor {
        let x = contiguous(), y = Tensor(uninitialized: shape, dtype), to = y.uninitializedPointer, layout = RowLayout(x)
        layout.forEachBlock { _, o, count in nstm_softmax(layout.real, x.pointer + o, to + o, count, layout.columns) }
        return y
    }
    /// The gradient of a softmax with result y.
    package static func softmaxBackward(dy: Tensor, y: Tensor) -> Tensor {
        let dy = dy.contiguous(), dx = Tensor(uninitialized: y.shape, y.dtype), to = dx.uninitializedPointer,
            layout = RowLayout(y)
        layout.forEachBlock { _, o, count in
            nstm_softmax_backward(layout.real, dy.pointer + o, y.pointer + o, to + o, count, layout.columns)
        }
        return dx
    }
    /// log softmax over the last axis.
    package func logSoftmax() -> Tensor {
        let x = contiguous(), y = Tensor(uninitialized: shape, dtype), layout = RowLayout(x)
        nstm_log_softmax(layout.real, x.pointer, y.uninitializedPointer, layout.rows, layout.columns)
        return y
    }
    /// The gradient of a log softmax with result y.
    package static func logSoftmaxBackward(dy: Tensor, y: Tensor) -> Tensor {
        let dy = dy.contiguous(), dx = Tensor(uninitialized: y.shape, y.dtype), layout = RowLayout(y)
        nstm_log_softmax_backward(
            layout.real, dy.pointer, y.pointer, dx.uninitializedPointer, layout.rows, layout.columns)
        withExtendedLifetime(dy) {}
        return dx
    }
    /// scale · x/√(Σx² + ε) over the last axis, and the factor 1/√(Σx² + ε) of every row.
    package func l2Normalized(scale: Double, epsilon: Double) -> (y: Tensor, inverse: Tensor) {
        let x = contiguous(), layout = RowLayout(x), y = Tensor(uninitialized: shape, dtype)
        let inverse = Tensor(uninitialized: [layout.rows], dtype)
        let to = y.uninitializedPointer, toInverse = inverse.uninitializedPointer
        layout.forEachBlock { first, o, count in
            nstm_l2_norm(
                layout.real, x.pointer + o, scale, epsilon, to + o, toInverse + first * layout.size, count, layout.columns)
        }
        return (y, inverse)
    }
    /// The gradient of `l2Normalized` at x.
    package static func l2NormalizedBackward(dy: Tensor, x: Tensor, inverse: Tensor, scale: Double) -> Tensor {
        let dy = dy.contiguous(), x = x.contiguous(), dx = Tensor(uninitialized: x.shape, x.dtype)
        let to = dx.uninitializedPointer, layout = RowLayout(x)
        layout.forEachBlock { first, o, count in
            nstm_l2_norm_backward(
                layout.real, dy.pointer + o, x.pointer + o, inverse.pointer + first * layout.size, scale, to + o, count,
                layout.columns)
        }
        return dx
    }
    /// Independent gates σ(x), of which the k largest of a row are kept and all others are exactly 0 (ties: lower index first).
    package func topKGates(_ k: Int) -> Tensor {
        let x = contiguous(), y = Tensor(uninitialized: shape, dtype), to = y.uninitializedPointer, layout = RowLayout(x)
        layout.forEachBlock { _, o, count in
            nstm_top_k_gates(layout.real, x.pointer + o, to + o, k, count, layout.columns)
        }
        return y
    }
}

/// LayerNorm (Ba et al., 2016) or RMSNorm (Zhang & Sennrich 2019) of rows x [..., n], with a gain and a bias [n] after it.
package struct RowNorm {
    private let x: Tensor, gain: Tensor?
    private let hasBias: Bool, isCentered: Bool

    /// - Parameter isCentered: LayerNorm, which subtracts the mean; otherwise RMSNorm.
    package init(_ x: Tensor, gain: Tensor?, hasBias: Bool, isCentered: Bool) {
        self.x = x.contiguous()
        self.gain = gain?.contiguous()
        self.hasBias = hasBias
        self.isCentered = isCentered
    }
    /// The result, and mean and 1/deviation of every row [2, rows], when a backward pass will follow.
    package func forward(bias: Tensor?, epsilon: Double, savesStatistics: Bool) -> (y: Tensor, statistics: Tensor?) {
        let bias = bias?.contiguous(), layout = RowLayout(x), y = Tensor(uninitialized: x.shape, x.dtype)
        let statistics = savesStatistics ? Tensor(uninitialized: Shape(of: 2, layout.rows), x.dtype) : nil
        let to = y.uninitializedPointer, toStatistics = statistics?.uninitializedPointer
        layout.forEachBlock { first, o, count in
            let mean = toStatistics.map { $0 + first * layout.size }
            nstm_norm(
                layout.real, isCentered ? 1 : 0, x.pointer + o, gain?.pointer, bias?.pointer, epsilon, to + o, mean,
                mean.map { $0 + layout.rows * layout.size }, count, layout.columns)
        }
        withExtendedLifetime(bias) {}
        return (y, statistics)
    }
    package func backward(_ dy: Tensor, statistics: Tensor?) -> (x: Tensor, gain: Tensor?, bias: Tensor?) {
        guard let statistics else { nstmFatal(.other(op: "norm", "backward without saved statistics")) }
        let layout = RowLayout(x), n = layout.columns, dy = dy.contiguous(), dx = Tensor(uninitialized: x.shape, x.dtype)
        // Sums over rows go through partial sums of fixed blocks.
        let dgain = Tensor(uninitialized: Shape(of: layout.blocks, n), x.dtype),
            dbias = Tensor(uninitialized: Shape(of: layout.blocks, n), x.dtype)
        let to = dx.uninitializedPointer, toGain = dgain.uninitializedPointer, toBias = dbias.uninitializedPointer
        if layout.rows == 0 {
            nstm_fill(layout.real, toGain, 0, n)
            nstm_fill(layout.real, toBias, 0, n)
        }
        layout.forEachBlock { first, o, count in
            let p = first / layout.block * n * layout.size, mean = statistics.pointer + first * layout.size
            nstm_norm_backward(
                layout.real, isCentered ? 1 : 0, dy.pointer + o, x.pointer + o, gain?.pointer, mean,
                mean + layout.rows * layout.size, to + o, gain == nil ? nil : toGain + p, hasBias ? toBias + p : nil, count, n)
        }
        return (dx, gain == nil ? nil : dgain.sum(axes: [0]), hasBias ? dbias.sum(axes: [0]) : nil)
    }
}

/// RMSNorm(x) ⊙ gain ⊙ silu(gate) of rows x and gate [..., n], gain [n], in one pass.
package struct GatedRowNorm {
    private let x: Tensor, gate: Tensor, gain: Tensor

    package init(_ x: Tensor, gate: Tensor, gain: Tensor) {
        (self.x, self.gate, self.gain) = (x.contiguous(), gate.contiguous(), gain.contiguous())
    }
    /// The result, and 1/deviation of every row [rows], when a backward pass will follow.
    package func forward(epsilon: Double, savesStatistics: Bool) -> (y: Tensor, statistics: Tensor?) {
        let layout = RowLayout(x), y = Tensor(uninitialized: x.shape, x.dtype)
        let statistics = savesStatistics ? Tensor(uninitialized: Shape(of: layout.rows), x.dtype) : nil
        let to = y.uninitializedPointer, toStatistics = statistics?.uninitializedPointer
        layout.forEachBlock { first, o, count in
            nstm_gated_norm(
                layout.real, x.pointer + o, gain.pointer, gate.pointer + o, epsilon, to + o,
                toStatistics.map { $0 + first * layout.size }, count, layout.columns)
        }
        return (y, statistics)
    }
    package func backward(_ dy: Tensor, statistics: Tensor?) -> (x: Tensor, gain: Tensor, gate: Tensor) {
        guard let statistics else { nstmFatal(.other(op: "gatedRMSNorm", "backward without saved statistics")) }
        let layout = RowLayout(x), n = layout.columns, dy = dy.contiguous(), dx = Tensor(uninitialized: x.shape, x.dtype)
        let dgate = Tensor(uninitialized: x.shape, x.dtype), dgain = Tensor(uninitialized: Shape(of: layout.blocks, n), x.dtype)
        let to = dx.uninitializedPointer, toGate = dgate.uninitializedPointer, toGain = dgain.uninitializedPointer
        if layout.rows == 0 { nstm_fill(layout.real, toGain, 0, n) }
        layout.forEachBlock { first, o, count in
            nstm_gated_norm_backward(
                layout.real, dy.pointer + o, x.pointer + o, gain.pointer, gate.pointer + o,
                statistics.pointer + first * layout.size, to + o, toGain + first / layout.block * n * layout.size, toGate + o,
                count, n)
        }
        return (dx, dgain.sum(axes: [0]), dgate)
    }
}
