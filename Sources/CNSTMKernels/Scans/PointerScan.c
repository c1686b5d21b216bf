#include "Dispatch.h"
#include "Common.h"

#define REAL float
#define NSTM_SUFFIX _f32
#include "PointerScan.inc"
#undef REAL
#undef NSTM_SUFFIX
#define REAL double
#define NSTM_SUFFIX _f64
#include "PointerScan.inc"

/// Products per position of the moves that are not always calculated, with weights for back, follow, cycle and find.
static ptrdiff_t more(const nstm_pointer_columns *c, ptrdiff_t back, ptrdiff_t follow, ptrdiff_t cycle, ptrdiff_t find) {
    return (c->back >= 0 ? back : 0) + (c->follow >= 0 ? follow : 0) + (c->cycle >= 0 ? cycle : 0) + (c->find >= 0 ? find : 0);
}
void nstm_pointer_scan_forward(nstm_real t, const nstm_pointer_scan *scan, void *to) {
    // Stay and forward are two products per position.
    NSTM_WORK(scan->length * scan->count * (2 + more(&scan->columns, 1, 1, 2, 1)), 0,
              (2 + (scan->target ? 1 : 0) + (scan->match ? 1 : 0)) * scan->length * scan->positions * NSTM_BYTES(t));
    NSTM_DISPATCH(t, pointer, scan, to);
}
void nstm_pointer_scan_backward(nstm_real t, const nstm_pointer_scan *scan, const nstm_pointer_gradient *to, const void *heads,
                                const void *d, void *scratch) {
    NSTM_WORK(scan->length * scan->count * (4 + more(&scan->columns, 2, 2, 6, 2)), 0,
              (2 + (scan->target ? 2 : 0) + (scan->match ? 2 : 0)) * scan->length * scan->positions * NSTM_BYTES(t));
    NSTM_DISPATCH(t, pointer_backward, scan, to, heads, d, scratch);
}

void nstm_key_memory_forward(nstm_real t, const nstm_key_memory *scan, void *keys, void *scores) {
    const ptrdiff_t d = scan->d, n = scan->n, heads = scan->heads;
    NSTM_WORK((heads + 1) * scan->length * d * n, 0,
              (scan->length * ((heads + 1) * d + (heads + 1) * n) + 2 * d * n) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, key_memory, scan, keys, scores);
}
void nstm_key_memory_backward(nstm_real t, const nstm_key_memory *scan, const nstm_key_memory_gradient *to, const void *start,
                              const void *d_scores, void *scratch) {
    const ptrdiff_t d = scan->d, n = scan->n, heads = scan->heads, length = scan->length;
    // The keys again but after the last token; three products of each key, and two for each query.
    NSTM_WORK(((length > 0 ? length - 1 : 0) + (3 + 2 * heads) * length) * d * n, 0,
              (length * (2 * (heads + 1) * d + (heads + 2) * n) + 3 * d * n) * NSTM_BYTES(t));
    NSTM_DISPATCH(t, key_memory_backward, scan, to, start, d_scores, scratch);
}
