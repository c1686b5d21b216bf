#include "nstm_storage.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nstm_kernels.h"

// Free blocks by size class, each holding the address of the next one in its first bytes.
typedef struct block {
    struct block *next;
} block;
static block *blocks[512], *tensors;
static nstm_memory_use use;

// Bytes that this thread has allocated, minus those it has freed.
static _Thread_local int64_t of_thread;
int64_t nstm_memory_of_thread(void) { return of_thread; }

// Held for a few instructions: spinning is cheaper than a mutex, which would take a tenth of a small operation.
static bool locked;
static void lock(void) {
    for (int spins = 0; __atomic_exchange_n(&locked, true, __ATOMIC_ACQUIRE); spins++) {
        if (spins > 100) sched_yield();
        else nstm_pause();
    }
}
static void unlock(void) { __atomic_store_n(&locked, false, __ATOMIC_RELEASE); }

// Four classes for each power of two: at most a quarter of a block is wasted.
typedef struct {
    int index;
    ptrdiff_t size;
} size_class;
static inline size_class class_of(ptrdiff_t bytes) {
    uint64_t n = bytes > 64 ? (uint64_t)bytes : 64;
    int shift = 63 - __builtin_clzll(n - 1) - 2, s = shift > 4 ? shift : 4;
    ptrdiff_t quarters = (ptrdiff_t)((n + (1ull << s) - 1) >> s);
    return (size_class){(s - 4) * 8 + (int)quarters, quarters << s};
}

static void *from_system(ptrdiff_t bytes) {
    void *made = NULL;
    if (posix_memalign(&made, 64, (size_t)bytes) != 0) {
        fprintf(stderr, "Fatal error: out of memory: no %td bytes for a tensor\n", bytes);
        abort();
    }
    return made;
}

bool nstm_memory_poisons(void) {
    static int8_t known;
    int8_t is = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (is == 0) {
        const char *asked = getenv("NSTM_POISON");
        is = asked && strcmp(asked, "1") == 0 ? 1 : -1;
        __atomic_store_n(&known, is, __ATOMIC_RELAXED);
    }
    return is > 0;
}

// With the lock held: a free block, or null.
static inline block *take(size_class c) {
    use.live += c.size;
    if (use.live > use.peak) use.peak = use.live;
    block *found = blocks[c.index];
    if (found) {
        use.cached -= c.size;
        blocks[c.index] = found->next;
    } else {
        use.system_allocations++;
    }
    return found;
}
static inline void give(void *given, size_class c) {
    use.live -= c.size;
    use.cached += c.size;
    ((block *)given)->next = blocks[c.index];
    blocks[c.index] = given;
}

void *nstm_memory_allocate(ptrdiff_t bytes) {
    size_class c = class_of(bytes);
    of_thread += c.size;
    lock();
    void *taken = take(c);
    unlock();
    if (!taken) taken = from_system(c.size);
    if (nstm_memory_poisons()) memset(taken, 0xFF, (size_t)bytes);
    return taken;
}
void nstm_memory_free(void *given, ptrdiff_t bytes) {
    size_class c = class_of(bytes);
    of_thread -= c.size;
    if (nstm_memory_poisons()) memset(given, 0xFF, (size_t)bytes);
    lock();
    give(given, c);
    unlock();
}
nstm_memory_use nstm_memory_now(void) {
    lock();
    nstm_memory_use now = use;
    unlock();
    return now;
}
void nstm_memory_reset_peak(void) {
    lock();
    use.peak = use.live;
    unlock();
}
void nstm_memory_release_cached(void) {
    lock();
    for (int i = 0; i < 512; i++)
        while (blocks[i]) {
            block *first = blocks[i];
            blocks[i] = first->next;
            free(first);
        }
    use.cached = 0;
    unlock();
}

// With the lock held: an object for a tensor. Objects are allocated from the system 64 at a time, and never returned to it.
static inline nstm_tensor *take_tensor(void) {
    enum { SIZE = (sizeof(nstm_tensor) + 63) / 64 * 64, COUNT = 64 };
    if (!tensors) {
        char *made = from_system(SIZE * COUNT);
        for (int i = COUNT - 1; i >= 0; i--) {
            block *b = (block *)(made + i * SIZE);
            b->next = tensors;
            tensors = b;
        }
    }
    block *taken = tensors;
    tensors = taken->next;
    return (nstm_tensor *)taken;
}

// Writes row-major strides, one by one: a vector that is built in memory and loaded as a whole waits for its stores.
static inline void make_row_major(nstm_tensor *tensor) {
    int32_t *strides = (int32_t *)&tensor->strides, run = 1;
    for (int32_t axis = tensor->rank - 1; axis >= 0; axis--) {
        strides[axis] = run;
        run = (int32_t)((uint32_t)run * (uint32_t)tensor->sizes[axis]);
    }
}

nstm_tensor *nstm_tensor_make(const nstm_axes *sizes, int32_t rank, uint8_t type, int64_t count, int64_t bytes) {
    size_class c = class_of(bytes);
    of_thread += c.size;
    lock();
    nstm_tensor *made = take_tensor();
    void *memory = take(c);
    unlock();
    if (!memory) memory = from_system(c.size);
    if (nstm_memory_poisons()) memset(memory, 0xFF, (size_t)bytes);
    nstm_tensor all = {.sizes = *sizes, .base = memory, .count = count, .bytes = bytes, .references = 1, .rank = rank,
                       .type = type, .contiguous = true};
    memcpy(made, &all, sizeof all);
    make_row_major(made);
    return made;
}

nstm_tensor *nstm_tensor_view(nstm_tensor *of, void *base, const nstm_axes *sizes, const nstm_axes *strides, int32_t rank,
                              int64_t count, bool contiguous) {
    nstm_tensor *owner = of->owner ? (nstm_tensor *)of->owner : of;
    nstm_tensor_retain(owner);
    lock();
    nstm_tensor *made = take_tensor();
    unlock();
    nstm_tensor all = {.sizes = *sizes, .base = base, .count = count, .owner = owner, .references = 1, .rank = rank,
                       .type = of->type, .contiguous = contiguous};
    memcpy(made, &all, sizeof all);
    if (strides) *(nstm_axes *)&made->strides = *strides;
    else make_row_major(made);
    return made;
}

bool nstm_tensor_is_unique(void *reference) {
    const nstm_tensor *tensor = *(nstm_tensor **)reference, *owner = tensor->owner;
    return __atomic_load_n(&tensor->references, __ATOMIC_ACQUIRE) == 1 &&
           (!owner || __atomic_load_n(&owner->references, __ATOMIC_ACQUIRE) == 1);
}

void nstm_tensor_free(nstm_tensor *tensor) {
    nstm_tensor *owner = (nstm_tensor *)tensor->owner;
    size_class c = class_of(tensor->bytes);
    if (!owner) {
        of_thread -= c.size;
        if (nstm_memory_poisons()) memset(tensor->base, 0xFF, (size_t)tensor->bytes);
    }
    lock();
    if (!owner) give(tensor->base, c);
    ((block *)tensor)->next = tensors;
    tensors = (block *)tensor;
    unlock();
    if (owner) nstm_tensor_release(owner);
}
