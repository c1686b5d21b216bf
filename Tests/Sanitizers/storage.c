// Memory of tensors and their reference counts; closures.
#include "kernels.h"
#include "nstm_closure.h"
#include "nstm_storage.h"

static void demand(bool holds) {
    if (!holds) abort();
}
/// A tensor [rows, columns] of float32.
static nstm_tensor *matrix(ptrdiff_t length, ptrdiff_t columns) {
    nstm_axes sizes = {(int32_t)length, (int32_t)columns, 1, 1, 1, 1, 1, 1};
    return nstm_tensor_make(&sizes, 2, 3, length * columns, length * columns * 4);
}

CHECK(nstm_memory_allocate, {
    int64_t live = nstm_memory_now().live, own = nstm_memory_of_thread();
    char *taken = nstm_memory_allocate(n);
    memset(taken, 1, (size_t)n);
    demand((uintptr_t)taken % 64 == 0 && nstm_memory_now().live >= live + n && nstm_memory_of_thread() - own == nstm_memory_now().live - live);
    nstm_memory_free(taken, n);
    demand(nstm_memory_now().live == live && nstm_memory_of_thread() == own);
})
CHECK(nstm_memory_free, {
    void *first = nstm_memory_allocate(n);
    nstm_memory_free(first, n);
    void *again = nstm_memory_allocate(n);
    demand(first == again);
    nstm_memory_free(again, n);
})
CHECK(nstm_memory_now, demand(nstm_memory_now().peak >= nstm_memory_now().live))
CHECK(nstm_memory_of_thread, (void)nstm_memory_of_thread())
CHECK(nstm_memory_reset_peak, {
    nstm_memory_free(nstm_memory_allocate(n), n);
    nstm_memory_reset_peak();
    demand(nstm_memory_now().peak == nstm_memory_now().live);
})
CHECK(nstm_memory_release_cached, {
    nstm_memory_free(nstm_memory_allocate(n), n);
    nstm_memory_release_cached();
    demand(nstm_memory_now().cached == 0);
})
CHECK(nstm_memory_poisons, {
    unsigned char *taken = nstm_memory_allocate(n);
    for (ptrdiff_t i = 0; nstm_memory_poisons() && i < n; i++) demand(taken[i] == 255);
    nstm_memory_free(taken, n);
})
CHECK(nstm_tensor_make, {
    nstm_tensor *made = matrix(rows, n);
    memset(nstm_tensor_base(made), 1, (size_t)(rows * n * 4));
    nstm_tensor_release(made);
})
CHECK(nstm_tensor_view, {
    // The memory is kept as long as a view refers to it.
    int64_t live = nstm_memory_now().live;
    nstm_tensor *made = matrix(rows + 1, n);
    nstm_axes sizes = {(int32_t)n, 1, 1, 1, 1, 1, 1, 1}, strides = {1};
    nstm_tensor *row = nstm_tensor_view(made, (float *)nstm_tensor_base(made) + n, &sizes, &strides, 1, n, true);
    nstm_tensor *part = nstm_tensor_view(row, nstm_tensor_base(row), &sizes, NULL, 1, n, true);
    nstm_tensor_release(made);
    nstm_tensor_release(row);
    memset(nstm_tensor_base(part), 1, (size_t)(rows > 0 ? n * 4 : 0));
    nstm_tensor_release(part);
    demand(nstm_memory_now().live == live);
})
CHECK(nstm_tensor_is_unique, {
    nstm_tensor *made = matrix(rows, n), *view;
    demand(nstm_tensor_is_unique(&made));
    nstm_tensor_retain(made);
    demand(!nstm_tensor_is_unique(&made));
    nstm_tensor_release(made);
    nstm_axes sizes, strides;
    nstm_tensor_sizes(made, &sizes);
    nstm_tensor_strides(made, &strides);
    view = nstm_tensor_view(made, nstm_tensor_base(made), &sizes, &strides, 2, rows * n, true);
    demand(!nstm_tensor_is_unique(&made) && !nstm_tensor_is_unique(&view));
    nstm_tensor_release(made);
    demand(nstm_tensor_is_unique(&view));
    nstm_tensor_release(view);
})
CHECK(nstm_tensor_free, {
    nstm_tensor *made = matrix(rows, n);
    nstm_tensor_free(made);
})
CHECK(nstm_tensor_exists, {
    nstm_tensor *made = matrix(rows, n);
    demand(nstm_tensor_exists(made) && !nstm_tensor_exists(NULL));
    nstm_tensor_release(made);
})
CHECK(nstm_tensor_retain, nstm_tensor_retain(NULL))
CHECK(nstm_tensor_release, nstm_tensor_release(NULL))

CHECK(nstm_tensor_sizes, {
    nstm_tensor *made = matrix(rows, n);
    nstm_axes sizes;
    nstm_tensor_sizes(made, &sizes);
    demand(sizes[0] == rows && sizes[1] == n && sizes[7] == 1);
    nstm_tensor_release(made);
})
CHECK(nstm_tensor_strides, {
    nstm_tensor *made = matrix(rows, n);
    nstm_axes strides;
    nstm_tensor_strides(made, &strides);
    demand(strides[0] == n && strides[1] == 1 && strides[7] == 0);
    nstm_tensor_release(made);
})
#define FIELD(name, condition)                 \
    CHECK(name, {                              \
        nstm_tensor *made = matrix(rows, n);   \
        demand(condition);                     \
        nstm_tensor_release(made);             \
    })
FIELD(nstm_tensor_base, (uintptr_t)nstm_tensor_base(made) % 64 == 0)
FIELD(nstm_tensor_rank, nstm_tensor_rank(made) == 2)
FIELD(nstm_tensor_type, nstm_tensor_type(made) == 3)
FIELD(nstm_tensor_contiguous, nstm_tensor_contiguous(made))
FIELD(nstm_tensor_memory, nstm_tensor_memory(made) == made)
FIELD(nstm_tensor_is_partial_view, !nstm_tensor_is_partial_view(made))

// MARK: Closures
static ptrdiff_t called_with;
static __attribute__((swiftcall)) void remember(ptrdiff_t index, __attribute__((swift_context)) const void *context) {
    called_with = index + *(const ptrdiff_t *)context;
}
CHECK(nstm_closure_call, {
    nstm_closure closure = {(const void *)remember, &n};
    nstm_closure_call(closure, rows);
    demand(called_with == rows + n);
})
