#include "kernels.h"

nstm_real t;
ptrdiff_t rows, n;

/// Offset of blocks from malloc's alignment, in elements: vectors must not assume more than the alignment of an element.
static size_t shift;
static void *blocks[256];
static int block_count;
static uint64_t state = 1;

double uniform(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-53;
}
static void keep(void *base) {
    if (block_count == sizeof blocks / sizeof *blocks || !base) {
        fprintf(stderr, "too many blocks in one check\n");
        exit(2);
    }
    blocks[block_count++] = base;
}
void *block(ptrdiff_t count, size_t size) {
    char *base = malloc((size_t)count * size + shift * size);
    keep(base);
    return base + shift * size;
}
void *aligned(ptrdiff_t bytes, size_t alignment) {
    void *base = NULL;
    if (posix_memalign(&base, 2 * alignment, (size_t)bytes + alignment) != 0) base = NULL;
    keep(base);
    return memset((char *)base + alignment, 255, (size_t)bytes);
}
void release(void) {
    while (block_count > 0) free(blocks[--block_count]);
}

size_t width(void) { return t == NSTM_F32 ? sizeof(float) : sizeof(double); }
void *numbers(ptrdiff_t count, double low, double high) {
    char *x = block(count, width());
    for (ptrdiff_t i = 0; i < count; i++) {
        double v = low + (high - low) * uniform();
        if (t == NSTM_F32) ((float *)x)[i] = (float)v;
        else ((double *)x)[i] = v;
    }
    return x;
}
void *some(ptrdiff_t count) { return numbers(count, -2, 2); }
void *share(ptrdiff_t count) { return numbers(count, 0, 1); }
void *blank(ptrdiff_t count) { return numbers(count, NAN, NAN); }
double *doubles(ptrdiff_t count) {
    double *x = block(count, sizeof(double));
    for (ptrdiff_t i = 0; i < count; i++) x[i] = 4 * uniform() - 2;
    return x;
}
int32_t *integers(ptrdiff_t count, ptrdiff_t below) {
    int32_t *x = block(count, sizeof(int32_t));
    for (ptrdiff_t i = 0; i < count; i++) x[i] = (int32_t)(uniform() * (double)below);
    return x;
}
size_t bytes_of(nstm_dtype type) {
    static const size_t bytes[] = {4, 8, 4, 1, 1};
    return bytes[type];
}
void *elements(nstm_dtype type, ptrdiff_t count) {
    static const double special[] = {NAN, INFINITY, -INFINITY, 0.0, -0.0, 3e9, -3e9, 1e-310, 255.5, 1e38};
    void *x = block(count, bytes_of(type));
    for (ptrdiff_t i = 0; i < count; i++) {
        double v = uniform() < 0.3 ? special[(int)(uniform() * 10)] : 600 * uniform() - 300;
        uint32_t bits = (uint32_t)(uniform() * 0x1p32);
        switch (type) {
        case NSTM_FLOAT32: ((float *)x)[i] = (float)v; break;
        case NSTM_FLOAT64: ((double *)x)[i] = v; break;
        case NSTM_INT32: ((int32_t *)x)[i] = (int32_t)(bits & 1 ? bits : bits % 8 - 4); break;
        case NSTM_UINT8: ((uint8_t *)x)[i] = (uint8_t)bits; break;
        case NSTM_BOOL: ((uint8_t *)x)[i] = bits & 1; break;
        }
    }
    return x;
}
void *with(void *x, ptrdiff_t count, double value, double probability) {
    for (ptrdiff_t i = 0; i < count; i++)
        if (uniform() < probability) {
            if (t == NSTM_F32) ((float *)x)[i] = (float)value;
            else ((double *)x)[i] = value;
        }
    return x;
}
ptrdiff_t span(ptrdiff_t count, ptrdiff_t columns, ptrdiff_t stride) { return count > 0 ? (count - 1) * stride + columns : 0; }

typedef struct {
    const char *name;
    void (*run)(void);
} Check;
static Check checks[512];
static int check_count, running;

void add_check(const char *name, void (*run)(void)) { checks[check_count++] = (Check){name, run}; }

void expect_numbers(const void *x, ptrdiff_t count, ptrdiff_t columns, ptrdiff_t stride) {
    for (ptrdiff_t r = 0; r < count; r++)
        for (ptrdiff_t c = 0; c < columns; c++) {
            ptrdiff_t at = r * stride + c;
            double v = t == NSTM_F32 ? (double)((const float *)x)[at] : ((const double *)x)[at];
            if (isfinite(v)) continue;
            fprintf(stderr, "%s: row %td, column %td of a result is %g (float%zu, %td rows, n = %td)\n", checks[running].name, r,
                    c, v, 8 * width(), rows, n);
            abort();
        }
}

int main(int count, char **arguments) {
    if (count > 1 && strcmp(arguments[1], "--list") == 0) {
        for (int i = 0; i < check_count; i++) puts(checks[i].name);
        return 0;
    }
    // Counting also reads arguments.
    static nstm_work total;
    nstm_work_count(&total);
    static const ptrdiff_t sizes[] = {0, 1, 7, 15, 16, 17, 33, 1000};
    for (running = 0; running < check_count; running++)
        for (int type = NSTM_F32; type <= NSTM_F64; type++)
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
                for (rows = 0; rows <= 3; rows++) {
                    t = (nstm_real)type;
                    n = sizes[s];
                    shift = (size_t)(rows + (ptrdiff_t)s) % 3;
                    checks[running].run();
                    release();
                }
    printf("%d functions ran; the processor has %s\n", check_count, nstm_kernel_set());
    return 0;
}
