// Memory, matrix product, functions of elements, optimizers.
#include "kernels.h"

// MARK: Memory
CHECK(nstm_pause, nstm_pause())
CHECK(nstm_kernel_set, if (strlen(nstm_kernel_set()) == 0) abort())
// The main program counts the calls.
CHECK(nstm_work_total, if (!nstm_work_total()) abort())
CHECK(nstm_work_count, nstm_work_count(nstm_work_total()))
CHECK(nstm_work_add, {
    int64_t before = nstm_work_total()->elements;
    nstm_work_add(0, n, 0);
    if (nstm_work_total()->elements != before + n) abort();
})
CHECK(nstm_fill, nstm_fill(t, blank(n), 3, n))
CHECK(nstm_large_pages, {
    char *pages = nstm_large_pages(n);
    memset(pages, 1, (size_t)n);
    free(pages);
})
CHECK(nstm_copy_strided, {
    // Elements of 1, 4 and 8 bytes; dense, transposed, every second, repeated.
    for (size_t bytes = 1; bytes <= 8; bytes = bytes == 1 ? 4 : bytes * 2) {
        int32_t size = (int32_t)n, count = (int32_t)rows, sizes[2] = {count, size};
        int32_t dense[2] = {size, 1}, transposed[2] = {1, count}, second[2] = {2 * size, 2}, repeated[2] = {0, 1};
        ptrdiff_t all = rows * n;
        nstm_copy_strided((ptrdiff_t)bytes, 2, sizes, dense, block(all, bytes), block(all, bytes));
        nstm_copy_strided((ptrdiff_t)bytes, 2, sizes, transposed, block(all, bytes), block(all, bytes));
        nstm_copy_strided((ptrdiff_t)bytes, 2, sizes, second, block(all > 0 ? 2 * all - 1 : 0, bytes), block(all, bytes));
        nstm_copy_strided((ptrdiff_t)bytes, 2, sizes, repeated, block(rows > 0 ? n : 0, bytes), block(all, bytes));
        nstm_copy_strided((ptrdiff_t)bytes, 0, sizes, dense, block(1, bytes), block(1, bytes));
        int32_t cube[3] = {2, count, size}, steps[3] = {size * count, 1, count};
        nstm_copy_strided((ptrdiff_t)bytes, 3, cube, steps, block(2 * all, bytes), block(2 * all, bytes));
    }
})

CHECK(nstm_move_rows, {
    ptrdiff_t bytes = (ptrdiff_t)width();
    nstm_move_rows(rows, n * bytes, some(span(rows, n, n + 1)), (n + 1) * bytes, blank(span(rows, n, n + 2)), (n + 2) * bytes);
})

// MARK: Matrix product
CHECK(nstm_gemm_panel, (void)nstm_gemm_panel())
CHECK(nstm_gemv, {
    static const ptrdiff_t depths[] = {0, 1, 15, 17, 33};
    for (int d = 0; d < 5; d++) {
        ptrdiff_t k = depths[d];
        nstm_gemv(t, 0, some(k), some(span(k, n, n + rows)), n + rows, blank(n), n, k);
        nstm_gemv(t, 1, some(k), some(span(n, k, k + rows)), k + rows, blank(n), n, k);
    }
})
CHECK(nstm_gemm_pack, {
    ptrdiff_t w = nstm_gemm_panel();
    if (t != NSTM_F32 || !w) return;
    static const ptrdiff_t depths[] = {0, 1, 15, 17, 33};
    for (int d = 0; d < 5; d++) {
        ptrdiff_t k = depths[d], panels = (n + w - 1) / w;
        float *straight = blank(panels * k * w), *transposed = blank(panels * k * w);
        float *b = some(span(k, n, n + rows)), *c = some(span(n, k, k + rows));
        for (ptrdiff_t p = 0; p < panels; p++) {
            nstm_gemm_pack(0, b, n + rows, k, n, p, straight);
            nstm_gemm_pack(1, c, k + rows, k, n, p, transposed);
        }
    }
})
CHECK(nstm_gemm_rows, {
    ptrdiff_t w = nstm_gemm_panel();
    if (t != NSTM_F32 || !w) return;
    static const ptrdiff_t depths[] = {0, 1, 17, 300}, heights[] = {0, 1, 5, 11, 12, 13, 25, 50};
    for (int d = 0; d < 4; d++)
        for (int h = 0; h < 8; h++) {
            ptrdiff_t k = depths[d], m = heights[h], panels = (n + w - 1) / w, ldc = n + rows;
            float *c = some(span(m, n, ldc)), *packed = some(panels * k * w), *plain = some(span(k, n, n + rows));
            // A row-major, and transposed.
            nstm_gemm straight = {.a = some(span(m, k, k + 1)), .a_row = k + 1, .a_step = 1, .b = packed, .panel_stride = w * k,
                                  .b_step = w, .c = c, .ldc = ldc, .m = m, .n = n, .k = k, .accumulate = h & 1};
            nstm_gemm transposed = {.a = some(span(k, m, m + 1)), .a_row = 1, .a_step = m + 1, .b = plain, .panel_stride = w,
                                    .b_step = n + rows, .c = c, .ldc = ldc, .m = m, .n = n, .k = k, .accumulate = d & 1};
            nstm_gemm_rows(&straight);
            nstm_gemm_rows(&transposed);
            release();
        }
    // B larger than the cache, so that A is packed.
    static int done;
    for (ptrdiff_t m = 90; m < 100 && !done; m += 7) {
        ptrdiff_t k = 1031, across = 1024;
        float *packed = some(across * k), *c = some(m * across);
        nstm_gemm product = {.a = some(m * k), .a_row = k, .a_step = 1, .b = packed, .panel_stride = w * k, .b_step = w, .c = c,
                             .ldc = across, .m = m, .n = across, .k = k};
        nstm_gemm_rows(&product);
        product.a_row = 1, product.a_step = m, product.accumulate = 1;
        nstm_gemm_rows(&product);
        release();
    }
    done = 1;
})
CHECK(nstm_gemm_split_bytes, (void)nstm_gemm_split_bytes(33))
CHECK(nstm_gemm_split_pack, {
    if (t != NSTM_F32 || !nstm_gemm_split_bytes(1)) return;
    static const ptrdiff_t depths[] = {1, 15, 17, 33, 70};
    for (int d = 0; d < 5; d++) {
        ptrdiff_t k = depths[d], panels = (n + 31) / 32, floats = panels * nstm_gemm_split_bytes(k) / 4;
        float *straight = blank(floats), *transposed = blank(floats);
        float *b = some(span(k, n, n + rows)), *c = some(span(n, k, k + rows));
        for (ptrdiff_t p = 0; p < panels; p++) {
            nstm_gemm_split_pack(0, b, n + rows, k, n, p, straight);
            nstm_gemm_split_pack(1, c, k + rows, k, n, p, transposed);
        }
    }
})
CHECK(nstm_gemm_split_rows, {
    if (t != NSTM_F32 || !nstm_gemm_split_bytes(1)) return;
    static const ptrdiff_t depths[] = {1, 17, 33, 530}, heights[] = {0, 1, 15, 17, 32, 33, 130};
    for (int d = 0; d < 4; d++)
        for (int h = 0; h < 7; h++) {
            ptrdiff_t k = depths[d], m = heights[h], panels = (n + 31) / 32, ldc = n + rows;
            float *c = some(span(m, n, ldc)), *packed = blank(panels * nstm_gemm_split_bytes(k) / 4), *b = some(k * n);
            for (ptrdiff_t p = 0; p < panels; p++) nstm_gemm_split_pack(0, b, n, k, n, p, packed);
            // A row-major, and transposed.
            nstm_gemm straight = {.a = some(span(m, k, k + 1)), .a_row = k + 1, .a_step = 1, .c = c, .ldc = ldc, .m = m, .n = n,
                                  .k = k, .accumulate = h & 1};
            nstm_gemm transposed = {.a = some(span(k, m, m + 1)), .a_row = 1, .a_step = m + 1, .c = c, .ldc = ldc, .m = m,
                                    .n = n, .k = k, .accumulate = d & 1};
            nstm_gemm_split_rows(&straight, packed);
            nstm_gemm_split_rows(&transposed, packed);
            release();
        }
    static int done;
    for (; !done; done = 1) {
        ptrdiff_t m = 40, k = 33, across = 1025;
        float *packed = blank(33 * nstm_gemm_split_bytes(k) / 4), *b = some(across * k);
        for (ptrdiff_t p = 0; p < 33; p++) nstm_gemm_split_pack(1, b, k, k, across, p, packed);
        nstm_gemm product = {.a = some(m * k), .a_row = k, .a_step = 1, .c = some(m * across), .ldc = across, .m = m, .n = across,
                             .k = k, .accumulate = 1};
        nstm_gemm_split_rows(&product, packed);
        release();
    }
})

// MARK: Weights in bfloat16
CHECK(nstm_bf16_bytes, if (nstm_bf16_bytes(17, 3) != 2 * 16 * 2 * 4) abort())
CHECK(nstm_bf16_pack, nstm_bf16_pack(some(span(rows, n, n + 1)), n + 1, rows, n, block(nstm_bf16_bytes(rows, n) / 4, 4)))
CHECK(nstm_bf16_rows, {
    static const ptrdiff_t depths[] = {0, 1, 15, 17, 33};
    for (int d = 0; d < 5; d++) {
        ptrdiff_t k = depths[d], size = nstm_bf16_bytes(n, k);
        void *packed = block(size / 4, 4);
        memset(packed, 0, (size_t)size);
        nstm_bf16_rows(block(rows * k, sizeof(float)), rows, packed, block(rows * n, sizeof(float)), n, k);
    }
})

// MARK: Random numbers
CHECK(nstm_uniform, nstm_uniform(7, 0xfffffff0u, block(n, sizeof(double)), n))
CHECK(nstm_dropout_mask, nstm_dropout_mask(7, 3, 0.5, 2, block(n, sizeof(float)), n))

// MARK: Element-wise
CHECK(nstm_unary_fast, for (int op = NSTM_NEG; op <= NSTM_LOGSIGMOID; op++) nstm_unary_fast(t, (nstm_unary_fast_op)op, some(n), blank(n), n))
CHECK(nstm_unary_fast_backward, for (int op = NSTM_NEG; op <= NSTM_LOGSIGMOID; op++)
          nstm_unary_fast_backward(t, (nstm_unary_fast_op)op, some(n), some(n), some(n), blank(n), n))
CHECK(nstm_unary_fast_with_derivative, {
    nstm_unary_fast_with_derivative(t, NSTM_SILU, some(n), blank(n), blank(n), n);
    nstm_unary_fast_with_derivative(t, NSTM_GELU, some(n), blank(n), blank(n), n);
})
CHECK(nstm_binary_broadcast, {
    for (int op = NSTM_ADD; op <= NSTM_MIN; op++) {
        // Rows of elements, one element per row, one row for all, one element for all.
        ptrdiff_t outer[] = {n, 1, 0, 0}, inner[] = {1, 0, 1, 0}, count[] = {rows * n, rows, n, 1};
        for (int a = 0; a < 4; a++)
            for (int b = 0; b < 4; b++) {
                // If the result is empty, nothing may be read.
                int empty = rows * n == 0;
                nstm_binary_broadcast(t, (nstm_binary_broadcast_op)op, some(empty && inner[a] ? 0 : count[a]), outer[a], inner[a],
                         some(empty && inner[b] ? 0 : count[b]), outer[b], inner[b], blank(rows * n), rows, n);
            }
        release();
    }
})
CHECK(nstm_affine, nstm_affine(t, 0.5, some(n), 1, blank(n), n))
CHECK(nstm_axpy, nstm_axpy(t, 0.5, some(n), some(n), n))
CHECK(nstm_clamp, nstm_clamp(t, some(n), -1, 1, blank(n), n))
CHECK(nstm_clamp_backward, nstm_clamp_backward(t, some(n), some(n), -1, 1, blank(n), n))

// MARK: Further element functions
CHECK(nstm_unary_precise, {
    for (int op = NSTM_LEAKY_RELU; op <= NSTM_SIGN; op++) {
        nstm_unary_precise(t, (nstm_unary_precise_op)op, 1.5, with(some(n), n, INFINITY, 0.1), blank(n), n);
        nstm_unary_precise(t, (nstm_unary_precise_op)op, 2, with(some(n), n, NAN, 0.1), blank(n), n);
    }
})
CHECK(nstm_unary_precise_backward, {
    for (int op = NSTM_LEAKY_RELU; op <= NSTM_SIGN; op++)
        nstm_unary_precise_backward(t, (nstm_unary_precise_op)op, 1.5, some(n), with(some(n), n, -INFINITY, 0.1), blank(n), n);
})
CHECK(nstm_binary_precise, {
    for (int op = NSTM_BINARY_POW; op <= NSTM_BINARY_KL_TARGET_DERIVATIVE; op++)
        nstm_binary_precise(t, (nstm_binary_precise_op)op, 0.5, some(n), with(some(n), n, -INFINITY, 0.1), blank(n), n);
})

// MARK: Optimizers
CHECK(nstm_adamw_step, {
    nstm_adamw settings = {.gradient_scale = 0.5, .learning_rate = 1e-3, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8,
                           .weight_decay = 0.1, .correction1 = 0.1, .correction2 = 0.01};
    nstm_adamw_step(t, &settings, some(n), some(n), some(n), share(n), n);
})
CHECK(nstm_sgd_step, for (int i = 0; i < 3; i++) {
    nstm_sgd settings = {.gradient_scale = 0.5, .learning_rate = 1e-3, .momentum = 0.9, .weight_decay = 0.1, .nesterov = i == 2};
    nstm_sgd_step(t, &settings, some(n), some(n), i ? some(n) : NULL, n);
})
CHECK(nstm_rmsprop_step, {
    nstm_rmsprop settings = {.gradient_scale = 0.5, .learning_rate = 1e-3, .rho = 0.95, .momentum = 0.9, .epsilon = 1e-4,
                             .weight_decay = 0.1};
    nstm_rmsprop_step(t, &settings, some(n), some(n), share(n), some(n), some(n), n);
})
