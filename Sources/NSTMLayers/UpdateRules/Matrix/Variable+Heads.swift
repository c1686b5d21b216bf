import NSTMAutograd
import NSTMTensor

extension Variable {
    /// The channels of each head apart, [B, T, D] → [B, H, T, d] with D = H · d.
    public func splitHeads(_ heads: Int) -> Variable {
        reshaped([shape[0], shape[1], heads, shape[2] / heads]).permuted([0, 2, 1, 3])
    }
    /// The channels of all heads concatenated, [B, H, T, d] → [B, T, D]: the inverse of `splitHeads`.
    public func joinHeads() -> Variable { permuted([0, 2, 1, 3]).reshaped([shape[0], shape[2], shape[1] * shape[3]]) }
    /// Scores x·Kₘ/√d by heads, [B, H, T, N], of this variable x [B, T, D] against keys K [B, N, D].
    public func scores(against keys: Variable, heads: Int) -> Variable {
        splitHeads(heads).matmul(keys.splitHeads(heads), transposeOther: true) / (Double(shape[2]) / Double(heads)).squareRoot()
    }
}
