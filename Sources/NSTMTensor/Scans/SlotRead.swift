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

    /// The head of a sequence whose channels begin at a column.
    ///
    /// Queries are given for the keys and values of the tokens, which are not used.
    private func kernel(_ row: Int, _ column: Int) -> nstm_slots {
        let x = q.at(row, 0, column)
        return nstm_slots(
            q: x, k: x, v: x, u: noWrites.pointer, gate: nil, bias: bias.map { $0.pointer + row * N * size }, scale: scale,
            key_scale: 0, qkv_stride: q.row, u_stride: 0, gate_stride: 0, state_stride: D, p_stride: N, o_stride: D, n: N, d: d)
    }

    /// Reads [B, T, D], and their weights [B, H, T, N].
    package func forward() -> (o: Tensor, p: Tensor) {
        let o = Tensor(uninitialized: [B, T, D], type), p = Tensor(uninitialized: [B, H, T, N], type)
        let toO = o.uninitializedPointer, toP = p.uninitializedPointer
        Parallel.for(B * H, work: 4 * B * T * N * D) { i in
            let row = i / H, column = i % H * d, bank = (row * N * D + column) * size
            var scan = kernel(row, column)
            withScratch(byteCount: nstm_slots_scratch(N, d, T, 0) * size) { scratch in
                nstm_slots_forward(
                    real, &scan, UnsafeMutableRawPointer(mutating: k.pointer + bank),
                    UnsafeMutableRawPointer(mutating: v.pointer + bank), toP + i * T * N * size,
                    toO + (row * T * D + column) * size, T, scratch)
            }
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
            let scratchBytes = nstm_slots_scratch(N, d, T, 1) * size
            withScratch(byteCount: scratchBytes + 2 * bytes + (T * D + N) * size) { scratch in
                let row = i / H, column = i % H * d, bank = (row * N * D + column) * size
                let sums = scratch + scratchBytes, blank = sums + 2 * bytes, dU = blank + T * D * size
                nstm_move_rows(N, d * size, toK + bank, D * size, sums, d * size)
                nstm_move_rows(N, d * size, toV + bank, D * size, sums + bytes, d * size)
                var scan = kernel(row, column)
                var to = nstm_slots_gradient(
                    q: toQ + (row * T * D + column) * size, k: blank, v: blank, u: dU, keys: sums, values: sums + bytes,
                    gate: nil,
                    bias: toB.map { $0 + i * N * size }, qkv_stride: D, u_stride: 0, gate_stride: 0)
                nstm_slots_backward(
                    real, &scan, &to, k.pointer + bank, v.pointer + bank, p.pointer + i * T * N * size,
                    g.pointer + (row * T * D + column) * size, T, scratch)
                nstm_move_rows(N, d * size, sums, d * size, toK + bank, D * size)
                nstm_move_rows(N, d * size, sums + bytes, d * size, toV + bank, D * size)
            }
        }
        withExtendedLifetime((g, p)) {}
        return Gradients(queries: dq, keys: dK, values: dV, bias: dB?.sum(axes: [1]))
    }
}
