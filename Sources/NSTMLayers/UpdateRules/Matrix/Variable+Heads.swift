import NSTMAutograd
import NSTMTensor

extension Variable {
    /// [B, T, D] → [B, H, T, d].
    func byHeads(_ heads: Int) -> Variable {
        reshaped([shape[0], shape[1], heads, shape[2] / heads]).permuted([0, 2, 1, 3])
    }
    /// [B, H, T, d] → [B, T, D].
    func joiningHeads() -> Variable { permuted([0, 2, 1, 3]).reshaped([shape[0], shape[2], shape[1] * shape[3]]) }
    /// x·Kₘ/√d by heads, of x [B, T, D] and keys [B, N, D]: [B, H, T, N].
    func matched(to keys: Variable, heads: Int) -> Variable {
        byHeads(heads).matmul(keys.byHeads(heads), transposeOther: true) / (Double(shape[2]) / Double(heads)).squareRoot()
    }
}
