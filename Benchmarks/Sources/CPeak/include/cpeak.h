#ifndef CPEAK_H
#define CPEAK_H
#include <stddef.h>
/// Independent multiply-adds in registers; returns how many floating-point operations were done. `sink` keeps the compiler honest.
double cpeak_multiply_adds(ptrdiff_t rounds, float *_Nonnull sink);
#endif
