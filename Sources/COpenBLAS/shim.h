#ifndef NSTM_COPENBLAS_SHIM_H
#define NSTM_COPENBLAS_SHIM_H
#include <cblas.h>
#endif
