import CNSTMKernels
import COpenBLAS

/// Matrix products by the project's own kernels, or by OpenBLAS where it is faster or there are none.
///
/// OpenBLAS runs on one thread; rows or columns are split over `Parallel`.
package enum Gemm {
    /// Set before the first product, whether or not the thread pool exists by then.
    private static let singleThreaded: Void = openblas_set_num_threads(1)

    /// C[m,n] ← alpha · op(A) op(B) + beta · C, all row-major; lda, ldb, ldc are the lengths of their rows in elements.
    @inline(__always)
    package static func single(
        _ real: nstm_real, _ ta: Bool, _ tb: Bool, _ m: Int, _ n: Int, _ k: Int, _ alpha: Double, _ a: UnsafeRawPointer,
        _ lda: Int,
        _ b: UnsafeRawPointer, _ ldb: Int, _ beta: Double, _ c: UnsafeMutableRawPointer, _ ldc: Int
    ) {
        if m == 0 || n == 0 { return }
        singleThreaded
        nstm_work_add(Int64(m * n * k), 0, 0)
        // BLAS refuses leading dimensions below 1 and reads nothing when k = 0.
        let lda = max(lda, 1), ldb = max(ldb, 1), ldc = max(ldc, 1)
        if real == NSTM_F32 {
            cblas_sgemm(
                CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, blasint(m), blasint(n), blasint(k),
                Float(alpha), a.assumingMemoryBound(to: Float.self), blasint(lda), b.assumingMemoryBound(to: Float.self),
                blasint(ldb), Float(beta), c.assumingMemoryBound(to: Float.self), blasint(ldc))
        } else {
            cblas_dgemm(
                CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, blasint(m), blasint(n), blasint(k),
                alpha, a.assumingMemoryBound(to: Double.self), blasint(lda), b.assumingMemoryBound(to: Double.self), blasint(ldb),
                beta, c.assumingMemoryBound(to: Double.self), blasint(ldc))
        }
    }

    /// The product of `single`, split over threads along the longer side of C.
    ///
    /// The parts depend only on the sizes. If the product is followed by an `epilogue`, the split is by rows, and the epilogue
    /// runs after each part while the part is in the cache.
    package static func run(
        _ real: nstm_real, _ ta: Bool, _ tb: Bool, _ m: Int, _ n: Int, _ k: Int, _ alpha: Double, _ a: UnsafeRawPointer,
        _ lda: Int,
        _ b: UnsafeRawPointer, _ ldb: Int, _ beta: Double, _ c: UnsafeMutableRawPointer, _ ldc: Int,
        isFollowed: Bool = false, epilogue: (Range<Int>) -> Void = { _ in }
    ) {
        if real == NSTM_F32 && alpha == 1 && (beta == 0 || beta == 1) && (splitPays(m, n, k) || packedPays(m, n, k)) {
            packed(ta, tb, m, n, k, a, lda, b, ldb, beta == 1, c, ldc, isFollowed: isFollowed, epilogue)
            return
        }
        if m == 1 && alpha == 1 && beta == 0 && (!ta || lda == 1) {
            row(real, tb, n, k, a, b, ldb, c)
            epilogue(0..<1)
            return
        }
        countBytes(real, m, n, k, accumulate: beta != 0)
        let size = real == NSTM_F32 ? 4 : 8
        let byRows = m >= n || isFollowed
        let long = byRows ? m : n
        let part = partSize(long, work: 2 * m * n * k)
        if byRows {
            Parallel.blocks(m, of: part) { r in
                let a = a + (ta ? r.lowerBound : r.lowerBound * lda) * size
                single(real, ta, tb, r.count, n, k, alpha, a, lda, b, ldb, beta, c + r.lowerBound * ldc * size, ldc)
                epilogue(r)
            }
        } else {
            Parallel.blocks(n, of: part) { r in
                let b = b + (tb ? r.lowerBound * ldb : r.lowerBound) * size
                single(real, ta, tb, m, r.count, k, alpha, a, lda, b, ldb, beta, c + r.lowerBound * size, ldc)
            }
        }
    }

    /// Counts the operands and the result of a product that OpenBLAS takes, in however many parts.
    @inline(__always)
    static func countBytes(_ real: nstm_real, _ m: Int, _ n: Int, _ k: Int, accumulate: Bool) {
        nstm_work_add(0, 0, Int64((m * k + k * n + (accumulate ? 2 : 1) * m * n) * (real == NSTM_F32 ? 4 : 8)))
    }

    /// One row times a matrix, without packing: the matrix is read once, whereas OpenBLAS packs it first.
    private static func row(
        _ real: nstm_real, _ tb: Bool, _ n: Int, _ k: Int, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ ldb: Int,
        _ c: UnsafeMutableRawPointer
    ) {
        let size = real == NSTM_F32 ? 4 : 8
        // Blocks of whole vectors, each large enough to amortize a thread. Smaller ones made streaming slower on a busy host:
        // each of about ten regions per token waits if the other thread is descheduled.
        Parallel.blocks(n, of: max(64, (65_536 / max(1, k) + 63) & ~63)) { r in
            nstm_gemv(
                real, tb ? 1 : 0, a, b + r.lowerBound * (tb ? ldb : 1) * size, ldb, c + r.lowerBound * size, r.count, k)
        }
    }

    /// Whether the project's own product is faster than OpenBLAS: on AVX-512 and AVX2, with enough rows to amortize the packing
    /// of B, unless the packed copy of B is large.
    @inline(__always) private static func packedPays(_ m: Int, _ n: Int, _ k: Int) -> Bool {
        m >= 4 && n >= 8 && k >= 8 && panel > 0 && n * k <= 16_777_216
    }
    /// Whether products of two bfloat16 parts are allowed, matrix tiles are available, and operands are large enough to amortize
    /// the splitting.
    @inline(__always) private static func splitPays(_ m: Int, _ n: Int, _ k: Int) -> Bool {
        m >= 32 && n >= 48 && k >= 32 && hasMatrixTiles && n * k <= 16_777_216 && MatmulPrecision.current == .high
    }
    static let hasMatrixTiles = nstm_gemm_split_bytes(1) > 0
    /// Whether B is used unpacked: its row stride causes few conflicts of cache sets and its rows are few enough to stay in the
    /// cache.
    ///
    /// On AVX2, where a panel is one cache line wide, this is the L1 cache (32 KB), for the depth that the kernel processes at a
    /// time.
    @inline(__always) static func readsInPlace(_ ldb: Int, depth: Int) -> Bool {
        panel == 32 ? ldb <= 512 && ldb * depth <= 524_288 : ldb * min(depth, 256) <= 8192
    }
    /// Number of columns of a panel of the project's own product: 32 on AVX-512, 16 on AVX2, 0 elsewhere.
    static let panel = Int(nstm_gemm_panel())

    /// A product with B packed once for all threads, then computed by blocks of rows.
    ///
    /// Every element of C is one sum in order of k.
    private static func packed(
        _ ta: Bool, _ tb: Bool, _ m: Int, _ n: Int, _ k: Int, _ a: UnsafeRawPointer, _ lda: Int, _ b: UnsafeRawPointer,
        _ ldb: Int,
        _ accumulate: Bool, _ c: UnsafeMutableRawPointer, _ ldc: Int, isFollowed: Bool, _ epilogue: (Range<Int>) -> Void
    ) {
        let a = a.assumingMemoryBound(to: Float.self), b = b.assumingMemoryBound(to: Float.self)
        let c = c.assumingMemoryBound(to: Float.self)
        let isSplit = splitPays(m, n, k), inPlace = !isSplit && !tb && readsInPlace(ldb, depth: k)
        let width = panel, panels = (n + width - 1) / width, panelBytes = isSplit ? nstm_gemm_split_bytes(k) : 4 * width * k
        // Multiply-adds and additions that amortize a thread: more if B was just packed by one thread, from whose cache the
        // others read it, unless a bias or an activation follows, which is split as well.
        let least = isSplit ? 1_500_000 : (inPlace || isFollowed ? 200_000 : 500_000)
        nstm_work_add(0, 0, Int64(4 * k * n))
        if inPlace {
            rows(ta, m, n, k, a, lda, b, width, ldb, accumulate, c, ldc, isSplit: false, least: least, epilogue)
            return
        }
        withScratch(byteCount: panels * panelBytes) { to in
            Parallel.blocks(panels, of: max(1, 32_768 / (width * k))) { r in
                for panel in r {
                    if isSplit {
                        nstm_gemm_split_pack(tb ? 1 : 0, b, ldb, k, n, panel, to)
                    } else {
                        nstm_gemm_pack(tb ? 1 : 0, b, ldb, k, n, panel, to.assumingMemoryBound(to: Float.self))
                    }
                }
            }
            rows(
                ta, m, n, k, a, lda, UnsafePointer(to.assumingMemoryBound(to: Float.self)), width * k, width, accumulate, c, ldc,
                isSplit: isSplit, least: least, epilogue)
        }
    }
    /// Blocks of rows of C from B in panels (see `nstm_gemm_rows`).
    ///
    /// Blocks get smaller towards the end, so that threads finish together; the partition of the rows does not change a bit of
    /// the result.
    private static func rows(
        _ ta: Bool, _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, _ lda: Int, _ right: UnsafePointer<Float>,
        _ stride: Int, _ step: Int, _ accumulate: Bool, _ c: UnsafeMutablePointer<Float>, _ ldc: Int, isSplit: Bool,
        least work: Int, _ epilogue: (Range<Int>) -> Void
    ) {
        let tile = isSplit ? 32 : 12
        withScratch(byteCount: ((m + tile - 1) / tile + 1) * MemoryLayout<Int>.stride) { scratch in
            let starts = scratch.assumingMemoryBound(to: Int.self)
            let count = cut(rows: m, n, k, tile: tile, least: work, into: starts)
            Parallel.for(count) { i in
                let r = starts[i]..<starts[i + 1]
                var product = nstm_gemm(
                    a: a + r.lowerBound * (ta ? 1 : lda), a_row: ta ? 1 : lda, a_step: ta ? lda : 1, b: right,
                    panel_stride: stride,
                    b_step: step, c: c + r.lowerBound * ldc, ldc: ldc, m: r.count, n: n, k: k, accumulate: accumulate ? 1 : 0)
                if isSplit { nstm_gemm_split_rows(&product, right) } else { nstm_gemm_rows(&product) }
                epilogue(r)
            }
        }
    }

    /// Splits rows into blocks of whole tiles: half of the remaining rows per thread, at most as much of A as fits into its
    /// cache, and at least a minimum of multiply-adds and additions.
    ///
    /// Returns the number of blocks; `starts` has one more element.
    private static func cut(
        rows m: Int, _ n: Int, _ k: Int, tile: Int, least work: Int, into starts: UnsafeMutablePointer<Int>
    ) -> Int {
        let tiles = (m + tile - 1) / tile, threads = Parallel.threadCount
        let most = max(1, 393_216 / (4 * tile * min(k, 256))), least = max(1, work / (2 * tile * n * k))
        var count = 0, done = 0
        starts[0] = 0
        while done < tiles {
            done += max(least, min(most, (tiles - done) / (2 * threads)))
            // A smaller rest is part of the last block.
            if tiles - done < least { done = tiles }
            count += 1
            starts[count] = min(m, done * tile)
        }
        return count
    }

    /// Number of rows (or columns) of a part: at most eight parts, each with enough work (4 MFLOP) to amortize a thread.
    @inline(__always) private static func partSize(_ long: Int, work: Int) -> Int {
        var parts = 1
        while parts < 8 && work / (parts * 2) >= 4_000_000 { parts *= 2 }
        let size = (long + parts - 1) / parts
        return max(16, (size + 15) & ~15)
    }
}
