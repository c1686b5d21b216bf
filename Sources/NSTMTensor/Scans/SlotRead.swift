import CNSTMKernels

/// The softmax read of gated slots without updates: o = Σₘ softmaxₘ(q·Kₘ/√d + biasₘ) Vₘ by heads.
package struct SlotRead {
    private let q: StridedRows, k: Tensor, v: Tensor
    private let bias: Tensor?
    private let B: Int, T: Int, D: Int, H: Int, d: Int, N: Int
    private let type: DType
    private let real: nstm_real
    private let size: Int
    private var scale: Double { 1 / Double(d).squareRoot() }
    /// Write weights of 0, [N], with which the kernel of the scan writes nothing.
    private let noWrites: Tensor

    package struct Gradients {
        package let queries: Tensor, keys: Tensor, values: Tensor
        package let bias: Tensor?
    }

    /// - Parameters:
    ///   - queries: [B, T, D]; keys, values: [B, N, D].
    ///   - bias: read biases [B, N]; −∞ for inactive states.
    package init(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor?, heads: Int) {
        q = StridedRows(queries)
        k = keys.contiguous()
        v = values.contiguous()
        self.bias = bias?.contiguous()
        B = queries.shape[0]
        T = queries.shape[1]
        D = queries.shape[2]
        H = heads
        d = D / heads
        N = keys.shape[1]
        type = queries.dtype
        real = type.real
        size = type.byteCount
        noWrites = .zeros([N], dtype: type)
    }

    /// Reads [B, T, D], and their weights [B, H, T, N].
    package func forward() -> (o: Tensor, p: Tensor) {
        let o = Tensor(uninitialized: [B, T, D], type), p = Tensor(uninitialized: [B, H, T, N], type)
        let toO = o.uninitializedPointer, toP = p.uninitializedPointer
        Parallel.for(B * H, work: 4 * B * T * N * D) { i in
            // Queries are passed instead of the keys and values of the tokens, which are not used.
            let row = i / H, column = i % H * d, bank = (row * N * D + column) * size, x = q.at(row, 0, column)
            nstm_slots(
                real, x, x, x, q.row, noWrites.pointer, 0, nil, 0, bias.map { $0.pointer + row * N * size }, scale, 0,
                UnsafeMutableRawPointer(mutating: k.pointer + bank), UnsafeMutableRawPointer(mutating: v.pointer + bank), D,
                toP + i * T * N * size, N, toO + (row * T * D + column) * size, D, T, N, d)
        }
        return (o, p)
    }

    /// Gradients from that of the reads.
    /// - Parameters:
    ///   - weights: the weights that `forward` returned.
    ///   - dKeys, dValues: gradients of the states so far, to which this one is added; nil counts as 0.
    package func backward(_ g: Tensor, weights p: Tensor, dKeys: Tensor?, dValues: Tensor?, wantsBias: Bool) -> Gradients {
        let g = g.contiguous(), dq = Tensor(uninitialized: [B, T, D], type), toQ = dq.uninitializedPointer
        let dB = wantsBias ? Tensor.zeros([B, H, N], dtype: type) : nil, toB = dB?.uninitializedPointer
        var dK = dKeys ?? .zeros(k.shape, dtype: type), dV = dValues ?? .zeros(k.shape, dtype: type)
        let toK = dK.mutablePointer(), toV = dV.mutablePointer(), bytes = N * d * size
        Parallel.for(B * H, work: 8 * B * T * N * D) { i in
            withScratch(byteCount: 4 * bytes + (T * D + N) * size + T * (2 * N + 1) * 4) { log in
                let row = i / H, column = i % H * d, bank = (row * N * D + column) * size
                let sums = log + 2 * bytes, blank = sums + 2 * bytes, dU = blank + T * D * size
                let index = dU + N * size, x = q.at(row, 0, column)
                nstm_move_rows(N, d * size, toK + bank, D * size, sums, d * size)
                nstm_move_rows(N, d * size, toV + bank, D * size, sums + bytes, d * size)
                nstm_slots_backward(
                    real, g.pointer + (row * T * D + column) * size, D, x, x, x, q.row, noWrites.pointer, 0, nil, 0,
                    bias.map { $0.pointer + row * N * size }, scale, 0, p.pointer + i * T * N * size, N, k.pointer + bank,
                    v.pointer + bank, D, sums, sums + bytes, toQ + (row * T * D + column) * size, blank, blank, D, dU, 0, nil, 0,
                    toB.map { $0 + i * N * size }, log, index.assumingMemoryBound(to: Int32.self), T, N, d)
                nstm_move_rows(N, d * size, sums, d * size, toK + bank, D * size)
                nstm_move_rows(N, d * size, sums + bytes, d * size, toV + bank, D * size)
            }
        }
        withExtendedLifetime((g, p)) {}
        return Gradients(queries: dq, keys: dK, values: dV, bias: dB?.sum(axes: [1]))
    }
}
