import CNSTMKernels
import NSTMTensor

extension Variable {
    /// The read of the scan alone, of states as they are: o = Σₘ softmaxₘ(q·Kₘ/√d + biasₘ) Vₘ by heads, with `self` as
    /// queries [B, T, D].
    /// - Parameters:
    ///   - keys: keys of the states, [B, N, D].
    ///   - values: values of the states, [B, N, D].
    ///   - bias: read biases [B, N], −∞ for inactive states.
    /// - Returns: what is read [B, T, D], and the read weights [B, H, T, N].
    public func slotRead(keys: Variable, values: Variable, bias: Variable? = nil, heads: Int) -> (
        output: Variable, weights: Tensor
    ) {
        let B = shape[0], D = shape[-1], N = keys.shape[1]
        guard shape.rank == 3, D % heads == 0, keys.shape == [B, N, D], values.shape == keys.shape,
            bias.map({ $0.shape == [B, N] }) ?? true
        else {
            nstmFatal(
                .other(
                    op: "slotRead",
                    "queries \(shape), keys \(keys.shape), values \(values.shape), bias \(bias?.shape.description ?? "none"), "
                        + "\(heads) heads"), at: path(of: self, keys))
        }
        requireSameType("slotRead", self, keys, values, bias)
        // Queries stand for keys and values of the tokens too: nobody looks at them.
        let q = StridedRows(value), k = keys.value.contiguous(), v = values.value.contiguous(), b = bias?.value.contiguous()
        let T = shape[1], d = D / heads, real = dtype.real, size = dtype.byteCount, scale = 1 / Double(d).squareRoot()
        let o = Tensor(uninitialized: shape, dtype), p = Tensor(uninitialized: [B, heads, T, N], dtype)
        let nothing = Tensor.zeros([N], dtype: dtype), toO = o.uninitializedPointer, toP = p.uninitializedPointer
        Parallel.for(B * heads, work: 4 * B * T * N * D) { i in
            let row = i / heads, column = i % heads * d, bank = (row * N * D + column) * size, x = q.at(row, 0, column)
            // Nothing is written with weights of 0.
            nstm_slots(
                real, x, x, x, q.row, nothing.pointer, 0, nil, 0, b.map { $0.pointer + row * N * size }, scale, 0,
                UnsafeMutableRawPointer(mutating: k.pointer + bank),
                UnsafeMutableRawPointer(mutating: v.pointer + bank), D, toP + i * T * N * size, N,
                toO + (row * T * D + column) * size, D, T, N, d)
        }
        let dims = shape, type = dtype
        let output = record(
            "slotRead", [self, keys, values] + (bias.map { [$0] } ?? []), o,
            .pullback { g, sink in
                let g = g.contiguous(), dq = Tensor(uninitialized: dims, type), toQ = dq.uninitializedPointer
                let dB = b != nil && sink.needs(3) ? Tensor.zeros([B, heads, N], dtype: type) : nil,
                    toB = dB?.uninitializedPointer
                // Gradients of states go on from what they have so far: they are read once a token.
                var dK = sink.take(1) ?? .zeros(k.shape, dtype: type), dV = sink.take(2) ?? .zeros(k.shape, dtype: type)
                let toK = dK.mutablePointer(), toV = dV.mutablePointer(), bytes = N * d * size
                Parallel.for(B * heads, work: 8 * B * T * N * D) { i in
                    withScratch(byteCount: 4 * bytes + (T * D + N) * size + T * (2 * N + 1) * 4) { log in
                        let row = i / heads, column = i % heads * d, bank = (row * N * D + column) * size
                        let sums = log + 2 * bytes, blank = sums + 2 * bytes, dU = blank + T * D * size
                        let index = dU + N * size, x = q.at(row, 0, column)
                        nstm_move_rows(N, d * size, toK + bank, D * size, sums, d * size)
                        nstm_move_rows(N, d * size, toV + bank, D * size, sums + bytes, d * size)
                        nstm_slots_backward(
                            real, g.pointer + (row * T * D + column) * size, D, x, x, x, q.row, nothing.pointer, 0,
                            nil, 0, b.map { $0.pointer + row * N * size }, scale, 0, p.pointer + i * T * N * size, N,
                            k.pointer + bank, v.pointer + bank, D, sums, sums + bytes,
                            toQ + (row * T * D + column) * size, blank, blank, D, dU, 0, nil, 0, toB.map { $0 + i * N * size },
                            log,
                            index.assumingMemoryBound(to: Int32.self), T, N, d)
                        nstm_move_rows(N, d * size, sums, d * size, toK + bank, D * size)
                        nstm_move_rows(N, d * size, sums + bytes, d * size, toV + bank, D * size)
                    }
                }
                sink.add(0, dq)
                sink.add(1, dK)
                sink.add(2, dV)
                if let dB { sink.add(3, dB.sum(axes: [1])) }
            })
        return (output, p)
    }
}
