// Calls every function of Sources/*/include/*.h at sizes around the vector widths, on heap blocks of exactly the size that the
// contract requires: built with the address and undefined-behavior sanitizers, a read or write beyond a block ends the
// program. `Scripts/sanitize-kernels` builds and runs it, and fails when a header declares a function without a CHECK in this
// folder.
//
//     CHECK(name, statements)
//
// runs the statements for every element type, number of rows, size and alignment. They use
//     t, rows, n        element type, 0 ... 3 rows, and a size of 0, 1, 7, 15, 16, 17, 33 or 1000
//     some(count)       a block of `count` random elements in −2 ... 2; `share(count)` in 0 ... 1
//     blank(count)      a block for results, filled with NaN
//     doubles(count)    random numbers that are double for both element types
//     integers(count, below)
//     elements(type, count)         of any type of nstm_indexing.h, with the special values that it has
//     aligned(bytes, alignment)     a block for a contract that requires an alignment
//     span(rows, columns, stride)   number of elements of rows with a stride
//     expect_numbers(x, rows, columns, stride)   ends the program if an element of a result is NaN or was not written
// Blocks are released after each run; `release()` does so before.
#ifndef NSTM_SANITIZERS_KERNELS_H
#define NSTM_SANITIZERS_KERNELS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nstm_fourier.h"
#include "nstm_indexing.h"
#include "nstm_kernels.h"

extern nstm_real t;
extern ptrdiff_t rows, n;

/// A random number in 0 ..< 1.
double uniform(void);
void *block(ptrdiff_t count, size_t size);
/// A block with exactly this alignment, filled with bytes that are NaN.
void *aligned(ptrdiff_t bytes, size_t alignment);
void release(void);

size_t width(void);
void *numbers(ptrdiff_t count, double low, double high);
void *some(ptrdiff_t count);
void *share(ptrdiff_t count);
void *blank(ptrdiff_t count);
double *doubles(ptrdiff_t count);
int32_t *integers(ptrdiff_t count, ptrdiff_t below);
size_t bytes_of(nstm_dtype type);
void *elements(nstm_dtype type, ptrdiff_t count);
/// x, with another value in some elements.
void *with(void *x, ptrdiff_t count, double value, double probability);
ptrdiff_t span(ptrdiff_t count, ptrdiff_t columns, ptrdiff_t stride);
void expect_numbers(const void *x, ptrdiff_t count, ptrdiff_t columns, ptrdiff_t stride);

void add_check(const char *name, void (*run)(void));
#define CHECK(function, ...)                                             \
    static void check_##function(void) { __VA_ARGS__; }                 \
    __attribute__((constructor)) static void register_##function(void) { \
        add_check(#function, check_##function);                         \
    }

#endif
