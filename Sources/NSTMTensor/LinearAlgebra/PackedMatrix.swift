import CNSTMKernels
import COpenBLAS

/// A right operand op(B) [k, n] prepared once for several products on one thread, including products with parts of it.
package struct PackedMatrix {
    private let real: nstm_real
    private let transposed: Bool
    private let b: UnsafeRawPointer
    private let ldb: Int
    private let k: Int
    private let panels: Storage?
    private let width: Int
    /// Whether the project's kernel is used, with B packed or in place; otherwise OpenBLAS is used.
    private let own: Bool

    /// - Parameter transposed: B is stored as [n, k]. The memory must outlive the products.
    package init(_ real: nstm_real, _ b: UnsafeRawPointer, _ ldb: Int, transposed: Bool, k: Int, n: Int) {
        (self.real, self.b, self.ldb, self.transposed, self.k) = (real, b, ldb, transposed, k)
        width = Gemm.panel
        own = real == NSTM_F32 && width > 0 && k > 0 && n > 0
        guard own, transposed || !Gemm.readsInPlace(ldb, depth: k) else {
            panels = nil
            return
        }
        let count = (n + width - 1) / width, storage = Storage(byteCount: count * width * k * 4)
        for panel in 0..<count {
            nstm_gemm_pack(
                transposed ? 1 : 0, b.assumingMemoryBound(to: Float.self), ldb, k, n, panel,
                storage.base.assumingMemoryBound(to: Float.self))
        }
        panels = storage
    }

    /// C [m, columns] ← op(A) · op(B)[depth, columns] (+ C).
    ///
    /// `columns` starts at a multiple of 32. A is stored as [m, depth], or as [depth, m] if transposed.
    package func multiply(
        _ a: UnsafeRawPointer, _ lda: Int, transposed ta: Bool = false, rows m: Int, columns: Range<Int>, depth: Range<Int>,
        accumulate: Bool = false, _ c: UnsafeMutableRawPointer, _ ldc: Int
    ) {
        guard own else {
            let offset = transposed ? columns.lowerBound * ldb + depth.lowerBound : depth.lowerBound * ldb + columns.lowerBound
            Gemm.countBytes(real, m, columns.count, depth.count, accumulate: accumulate)
            Gemm.single(
                real, ta, transposed, m, columns.count, depth.count, 1, a, lda, b + offset * (real == NSTM_F32 ? 4 : 8), ldb,
                accumulate ? 1 : 0, c, ldc)
            return
        }
        let right: UnsafePointer<Float>
        if let panels {
            right =
                UnsafePointer(panels.base.assumingMemoryBound(to: Float.self)) + columns.lowerBound * k + depth.lowerBound * width
        } else {
            right = b.assumingMemoryBound(to: Float.self) + depth.lowerBound * ldb + columns.lowerBound
        }
        nstm_work_add(0, 0, Int64(4 * depth.count * columns.count))
        var product = nstm_gemm(
            a: a.assumingMemoryBound(to: Float.self), a_row: ta ? 1 : lda, a_step: ta ? lda : 1, b: right,
            panel_stride: panels == nil ? width : width * k, b_step: panels == nil ? ldb : width,
            c: c.assumingMemoryBound(to: Float.self), ldc: ldc, m: m, n: columns.count, k: depth.count,
            accumulate: accumulate ? 1 : 0)
        nstm_gemm_rows(&product)
        // A packed matrix for a single product may otherwise be released as soon as its address has been read.
        withExtendedLifetime(panels) {}
    }
}
