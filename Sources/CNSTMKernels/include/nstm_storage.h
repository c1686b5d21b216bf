// Memory of tensors: blocks that come back to lists by size, and the objects that say what a tensor is and count who holds it.
//
// The objects are made here, and not as Swift classes, because Swift asks the system for each instance: a step of training has
// hundreds of them. These come from a list, and Swift counts their references with the two functions named in the type
// (C foreign reference types, Swift 6.3).
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
    /// Blocks that had to come from the system because none was free.
    int64_t system_allocations;
} nstm_memory_use;

/// A block that begins at a multiple of 64 bytes, of undefined content (NaN with `NSTM_POISON=1`). Ends the program when there is none.
void *_Nonnull nstm_memory_allocate(ptrdiff_t bytes);
/// Gives back a block that was taken with the same number of bytes.
void nstm_memory_free(void *_Nonnull block, ptrdiff_t bytes);
nstm_memory_use nstm_memory_now(void);
/// Bytes of what this thread has taken, less those of what it gave back.
int64_t nstm_memory_of_thread(void);
/// The peak becomes what is live now.
void nstm_memory_reset_peak(void);
/// Gives free blocks back to the system.
void nstm_memory_release_cached(void);
/// Whether fresh and freed memory is filled with NaN bits (`NSTM_POISON=1`), so that a read of either shows up in tests.
bool nstm_memory_poisons(void);

// MARK: Tensors

/// Eight sizes or strides. The reference type below may not ask for more alignment than 16.
typedef int32_t nstm_axes __attribute__((ext_vector_type(8), aligned(16)));

/// What a tensor is: where its elements lie, in what order, and whose memory it is. Immutable but for its count.
typedef struct __attribute__((swift_attr("import_reference"), swift_attr("retain:nstm_tensor_retain"),
                              swift_attr("release:nstm_tensor_release"))) nstm_tensor {
    /// Lengths of the axes, 1 beyond the rank, and distances of neighbors in elements.
    const nstm_axes sizes, strides;
    /// Address of the first element; memory of its own begins at a multiple of 64 bytes.
    void *const _Nonnull base;
    /// Number of elements, and of bytes of memory of its own.
    const int64_t count, bytes;
    /// The tensor whose memory it shows; null: its own. Not for Swift, which would count it.
    const void *const _Nullable owner;
    /// How many hold it.
    int64_t references;
    const int32_t rank;
    const uint8_t type;
    const bool contiguous;
} nstm_tensor;

/// A tensor with memory of its own, unwritten, in row-major order.
__attribute__((swift_attr("returns_retained"))) nstm_tensor *_Nonnull nstm_tensor_make(
    const nstm_axes *_Nonnull sizes, const nstm_axes *_Nonnull strides, int32_t rank, uint8_t type, int64_t count, int64_t bytes);
/// A tensor that shows memory of another, from an address on.
__attribute__((swift_attr("returns_retained"))) nstm_tensor *_Nonnull nstm_tensor_view(
    nstm_tensor *_Nonnull of, void *_Nonnull base, const nstm_axes *_Nonnull sizes, const nstm_axes *_Nonnull strides, int32_t rank,
    int64_t count, bool contiguous);
/// Whether only this place holds the tensor, and nothing else shows its memory. By the place's address: a reference that is passed may be
/// counted.
bool nstm_tensor_is_unique(void *_Nonnull place);
/// For `nstm_tensor_release`.
void nstm_tensor_free(nstm_tensor *_Nonnull tensor);

/// Swift hands over null for the empty case of an optional, and may have told the compiler that it never does.
static inline bool nstm_tensor_exists(const nstm_tensor *_Nullable tensor) {
    uintptr_t address = (uintptr_t)tensor;
    __asm__("" : "+r"(address));
    return address > 4095;
}
// Read by functions: Swift would guard a field of a reference type against being written at the same time.
static inline void nstm_tensor_sizes(const nstm_tensor *_Nonnull tensor, nstm_axes *_Nonnull sizes) { *sizes = tensor->sizes; }
static inline void nstm_tensor_strides(const nstm_tensor *_Nonnull tensor, nstm_axes *_Nonnull strides) {
    *strides = tensor->strides;
}
static inline void *_Nonnull nstm_tensor_base(const nstm_tensor *_Nonnull tensor) { return tensor->base; }
static inline int32_t nstm_tensor_rank(const nstm_tensor *_Nonnull tensor) { return tensor->rank; }
static inline uint8_t nstm_tensor_type(const nstm_tensor *_Nonnull tensor) { return tensor->type; }
static inline bool nstm_tensor_contiguous(const nstm_tensor *_Nonnull tensor) { return tensor->contiguous; }
/// What holds the memory: the same address for all tensors that share it.
static inline const void *_Nonnull nstm_tensor_memory(const nstm_tensor *_Nonnull tensor) {
    return tensor->owner ? tensor->owner : tensor;
}
/// Whether it keeps more memory alive than its elements take.
static inline bool nstm_tensor_is_partial_view(const nstm_tensor *_Nonnull tensor) {
    return tensor->owner && ((const nstm_tensor *)tensor->owner)->count != tensor->count;
}
static inline void nstm_tensor_retain(nstm_tensor *_Nullable tensor) {
    if (nstm_tensor_exists(tensor)) __atomic_fetch_add(&tensor->references, 1, __ATOMIC_RELAXED);
}
static inline void nstm_tensor_release(nstm_tensor *_Nullable tensor) {
    if (nstm_tensor_exists(tensor) && __atomic_fetch_sub(&tensor->references, 1, __ATOMIC_ACQ_REL) == 1) nstm_tensor_free(tensor);
}

#ifdef __cplusplus
}
#endif
#endif
