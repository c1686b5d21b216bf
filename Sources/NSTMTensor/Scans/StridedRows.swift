/// A [B, T, W] operand of a fused scan, read in place.
///
/// Only the rows have to be dense, so that a slice of a wider projection, or a row that is repeated for every token, is not
/// copied.
struct StridedRows {
    let tensor: Tensor
    /// Stride of sequences, in elements.
    let batch: Int
    /// Stride of tokens, in elements.
    let row: Int
    private let size: Int

    init(_ t: Tensor) {
        tensor = t.shape[2] == 1 || t.strides[2] == 1 ? t : t.contiguous()
        batch = Int(tensor.strides[0])
        row = Int(tensor.strides[1])
        size = t.dtype.byteCount
    }
    /// Address of a column of a token, valid while the value is alive.
    func at(_ b: Int, _ t: Int, _ column: Int) -> UnsafeRawPointer {
        tensor.pointer + (b * batch + t * row + column) * size
    }
}

extension Tensor {
    /// Sum over the first axis, [pieces, …] → […], of the partial results of independent pieces of work, in a fixed order.
    func partialSums() -> Tensor { shape[0] == 1 ? squeezed(axis: 0) : sum(axes: [0]) }
}
