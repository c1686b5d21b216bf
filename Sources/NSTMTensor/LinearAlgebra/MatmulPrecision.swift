import CNSTMKernels

/// The precision of products of float32 matrices, as PyTorch's `set_float32_matmul_precision`.
///
/// ```swift
/// MatmulPrecision.$current.withValue(.high) { loss = model.step() }
/// ```
///
/// It applies to `matmul` of single matrices, `linear`, and the gradients of both, on the thread and task for which it is set.
/// Sums are always in float32, and results are bit-identical for any number of threads.
public enum MatmulPrecision: String, Sendable, CaseIterable {
    /// Products of float32 numbers.
    case highest
    /// Every operand may count as the sum of two bfloat16 numbers, which have sixteen significant bits together (float32 has 24):
    /// faster where the processor has matrix tiles (AMX), and the same as `highest` elsewhere and for small matrices. An infinite
    /// operand then gives NaN, and parts of numbers below 2⁻¹²⁶ count as 0.
    case high

    @TaskLocal public static var current = MatmulPrecision.highest

    /// Whether this processor has matrix tiles, which accelerate `high`.
    public static var hasMatrixTiles: Bool { Gemm.hasMatrixTiles }
}
