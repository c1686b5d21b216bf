import CNSTMKernels

/// Rows of a memory [B, N, W] that are replaced in place, a few at a time, with a journal of what they were, so that a backward pass
/// restores them step by step.
///
/// The journal holds the replaced rows only: its size does not depend on N (Rae et al. 2016, "Scaling memory-augmented neural networks
/// with sparse reads and writes", section 3.4). Indices are int32 [B, J], different ones for each sequence in a replacement.
package final class JournaledRows {
    /// The rows now.
    package private(set) var rows: Tensor
    private let isRecording: Bool
    private var journal: [(indices: Tensor, rows: Tensor)] = []
    /// The sum of the gradients of the present rows; nil: 0.
    private var gradient: Tensor?
    private var B: Int { rows.shape[0] }
    private var N: Int { rows.shape[1] }
    private var W: Int { rows.shape[2] }

    package init(_ rows: Tensor, recording: Bool) {
        self.rows = rows.contiguous()
        isRecording = recording
    }
    /// Indices into [B · N, W], of indices [B, …] into the rows of each sequence.
    private func flat(_ indices: Tensor) -> Tensor {
        let all = indices.elements(Int32.self), each = all.count / max(1, B)
        if let wrong = all.first(where: { $0 < 0 || $0 >= N }) {
            nstmFatal(.other(op: "JournaledRows", "index \(wrong) is outside 0..<\(N)"))
        }
        return Tensor(all.enumerated().map { Int32($0 / each * N) + $1 }, [all.count])
    }
    private static func take(_ from: Tensor, _ flat: Tensor, _ shape: Shape) -> Tensor {
        let y = Tensor(uninitialized: shape, from.dtype)
        nstm_take_rows(
            from.shape[-1] * from.dtype.byteCount, from.pointer, flat.pointer.assumingMemoryBound(to: Int32.self),
            y.uninitializedPointer, flat.count)
        return y
    }
    private static func put(_ values: Tensor, _ flat: Tensor, _ to: inout Tensor) {
        let values = values.contiguous(), size = to.shape[-1] * to.dtype.byteCount, target = to.mutablePointer()
        flat.withElements(of: Int32.self) { indices in
            for (i, index) in indices.enumerated() {
                (target + Int(index) * size).copyMemory(from: values.pointer + i * size, byteCount: size)
            }
        }
    }
    /// Rows at indices, [B, J, W].
    package func take(_ indices: Tensor) -> Tensor { Self.take(rows, flat(indices), Shape(of: B, indices.count / max(1, B), W)) }
    /// Replaces rows by values [B, J, W].
    package func replace(_ indices: Tensor, _ values: Tensor) {
        let flat = flat(indices)
        if isRecording { journal.append((flat, Self.take(rows, flat, values.shape))) }
        Self.put(values, flat, &rows)
    }

    // MARK: Backward

    /// Adds the gradient of rows that were taken.
    package func addGradient(_ indices: Tensor, _ g: Tensor) {
        let flat = flat(indices), g = g.contiguous()
        var sum = gradient?.contiguous() ?? .zeros(rows.shape, dtype: rows.dtype)
        gradient = nil
        nstm_add_rows(
            rows.dtype.real, 1, g.pointer, flat.pointer.assumingMemoryBound(to: Int32.self), flat.count, 0, Int32(B * N),
            sum.mutablePointer(), W)
        gradient = sum
    }
    /// Adds a gradient of all rows, [B, N, W].
    package func addGradient(_ g: Tensor) {
        if gradient == nil { gradient = g } else { gradient!.add(g) }
    }
    /// The gradient of the rows before the first replacement, after all have been taken back.
    package func takeGradient() -> Tensor {
        defer { gradient = nil }
        return gradient ?? .zeros(rows.shape, dtype: rows.dtype)
    }
    /// Takes the last replacement back, and returns the gradient of its values.
    package func restore() -> Tensor {
        let (flat, old) = journal.removeLast()
        Self.put(old, flat, &rows)
        guard var sum = gradient?.contiguous() else { return .zeros(old.shape, dtype: old.dtype) }
        gradient = nil
        let g = Self.take(sum, flat, old.shape)
        Self.put(.zeros(old.shape, dtype: old.dtype), flat, &sum)
        gradient = sum
        return g
    }

    // MARK: Search

    /// Indices [B, H, k] of the rows most similar to keys [B, H, W] by cosine, the most similar first.
    package func nearest(_ keys: Tensor, _ k: Int) -> Tensor {
        ContentSimilarity(keys: keys, rows: rows, mask: nil, epsilon: 1e-6).forward().largest(k)
    }
}

extension Tensor {
    /// Indices [..., k] of the k largest elements of each row, the largest first, and of equal ones the first.
    ///
    /// For k far below the length of a row, which is read once.
    package func largest(_ k: Int) -> Tensor {
        let x = contiguous(), n = shape[-1]
        guard k >= 0, k <= n else { nstmFatal(.other(op: "largest", "\(k) of rows of \(n)")) }
        let rows = shape.dropLast().count, y = Tensor(uninitialized: shape.dropLast().appending(k), .int32)
        let to = y.uninitializedPointer.assumingMemoryBound(to: Int32.self), size = dtype.byteCount, type = dtype
        Parallel.for(rows, work: rows * n) { i in
            withScratch(byteCount: max(1, k) * size) {
                nstm_largest(type.real, n, k, x.pointer + i * n * size, to + i * k, $0)
            }
        }
        return y
    }
}
