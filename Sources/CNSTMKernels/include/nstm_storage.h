// Memory of tensors: blocks that are reused from free lists by size, and reference-counted tensor objects.
//
// Tensor objects are C structures from a free list, not Swift classes, because Swift allocates every instance from the system,
// and a training step has hundreds of them. Swift counts their references with the two functions named in the type (C foreign
// reference types, Swift 6.3).
#ifndef NSTM_STORAGE_H
#define NSTM_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// MARK: Blocks

/// Memory statistics, in bytes; objects are not counted.
typedef struct {
    int64_t live, peak, cached;
    /// Number of blocks allocated from the system because none was free.
    int64_t system_allocations;
} nstm_memory_use;

/// A 64-byte aligned block of undefined content (NaN with `NSTM_POISON=1`). Ends the program if there is no memory.
void *_Nonnull nstm_memory_allocate(ptrdiff_t bytes);
/// Returns a block that was allocated with the same number of bytes to its free list.
void nstm_memory_free(void *_Nonnull block, ptrdiff_t bytes);
/// Current memory statistics of the process.
nstm_memory_use nstm_memory_now(void);
/// Bytes that this thread has allocated, minus those it has freed.
int64_t nstm_memory_of_thread(void);
/// Sets the peak to the bytes that are live now.
void nstm_memory_reset_peak(void);
/// Returns all free blocks to the system.
void nstm_memory_release_cached(void);
/// Whether fresh and freed memory is filled with NaN bits (`NSTM_POISON=1`), so that tests detect reads of either.
bool nstm_memory_poisons(void);
/// A block on pages as large as the system provides, for data that is read many times; free with `free`. Null if there is no
/// memory.
void *_Nullable nstm_large_pages(ptrdiff_t bytes);

// MARK: Tensors

/// Eight sizes or strides. The reference type below must not need more alignment than 16.
typedef int32_t nstm_axes __attribute__((ext_vector_type(8), aligned(16)));

/// A tensor: address, shape, strides and owner of its elements. Immutable except for its reference count.
typedef struct __attribute__((swift_attr("import_reference"), swift_attr("retain:nstm_tensor_retain"),
                              swift_attr("release:nstm_tensor_release"))) nstm_tensor {
    /// Sizes of the axes, 1 beyond the rank, and strides in elements.
    const nstm_axes sizes, strides;
    /// Address of the first element; 64-byte aligned if the tensor owns its memory.
    void *const _Nonnull base;
    /// Number of elements, and number of bytes that the tensor owns.
    const int64_t count, bytes;
    /// The tensor whose memory this one is a view of; null if it owns its memory. Untyped, so that Swift does not count it.
    const void *const _Nullable owner;
    /// Reference count.
    int64_t references;
    const int32_t rank;
    const uint8_t type;
    const bool contiguous;
} nstm_tensor;

/// A row-major tensor with uninitialized memory of its own.
__attribute__((swift_attr("returns_retained"))) nstm_tensor *_Nonnull nstm_tensor_make(
    const nstm_axes *_Nonnull sizes, int32_t rank, uint8_t type, int64_t count, int64_t bytes);
/// A view of the memory of another tensor, from the address `base` on; row-major without strides.
__attribute__((swift_attr("returns_retained"))) nstm_tensor *_Nonnull nstm_tensor_view(
    nstm_tensor *_Nonnull of, void *_Nonnull base, const nstm_axes *_Nonnull sizes, const nstm_axes *_Nullable strides, int32_t rank,
    int64_t count, bool contiguous);
/// Whether the reference stored at this address is the only one, and no other tensor uses its memory.
///
/// Takes the address of the reference, because a reference passed as an argument may be counted.
bool nstm_tensor_is_unique(void *_Nonnull reference);
/// Frees a tensor object and, if it owns it, its memory; called by `nstm_tensor_release`.
void nstm_tensor_free(nstm_tensor *_Nonnull tensor);

/// Whether the reference is not null.
///
/// Swift passes null for an empty optional, although it may have told the compiler that it never does.
static inline bool nstm_tensor_exists(const nstm_tensor *_Nullable tensor) {
    uintptr_t address = (uintptr_t)tensor;
    __asm__("" : "+r"(address));
    return address > 4095;
}
// Accessors, because Swift adds exclusivity checks to direct reads of the fields of a reference type.

/// sizes ← sizes of the axes.
static inline void nstm_tensor_sizes(const nstm_tensor *_Nonnull tensor, nstm_axes *_Nonnull sizes) { *sizes = tensor->sizes; }
/// strides ← strides of the axes, in elements.
static inline void nstm_tensor_strides(const nstm_tensor *_Nonnull tensor, nstm_axes *_Nonnull strides) {
    *strides = tensor->strides;
}
/// Address of the first element.
static inline void *_Nonnull nstm_tensor_base(const nstm_tensor *_Nonnull tensor) { return tensor->base; }
/// Number of axes.
static inline int32_t nstm_tensor_rank(const nstm_tensor *_Nonnull tensor) { return tensor->rank; }
/// Element type, a `nstm_dtype`.
static inline uint8_t nstm_tensor_type(const nstm_tensor *_Nonnull tensor) { return tensor->type; }
/// Whether the elements are dense and in row-major order.
static inline bool nstm_tensor_contiguous(const nstm_tensor *_Nonnull tensor) { return tensor->contiguous; }
/// Identity of the memory: the same address for all tensors that share it.
static inline const void *_Nonnull nstm_tensor_memory(const nstm_tensor *_Nonnull tensor) {
    return tensor->owner ? tensor->owner : tensor;
}
/// Whether the tensor is a view that keeps more memory alive than its elements occupy.
static inline bool nstm_tensor_is_partial_view(const nstm_tensor *_Nonnull tensor) {
    return tensor->owner && ((const nstm_tensor *)tensor->owner)->count != tensor->count;
}
/// Increments the reference count; null is allowed.
static inline void nstm_tensor_retain(nstm_tensor *_Nullable tensor) {
    if (nstm_tensor_exists(tensor)) __atomic_fetch_add(&tensor->references, 1, __ATOMIC_RELAXED);
}
/// Decrements the reference count, and frees the tensor when it reaches 0; null is allowed.
static inline void nstm_tensor_release(nstm_tensor *_Nullable tensor) {
    if (nstm_tensor_exists(tensor) && __atomic_fetch_sub(&tensor->references, 1, __ATOMIC_ACQ_REL) == 1) nstm_tensor_free(tensor);
}

#ifdef __cplusplus
}
#endif
#endif
