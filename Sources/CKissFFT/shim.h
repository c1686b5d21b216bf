#ifndef NSTM_CKISSFFT_SHIM_H
#define NSTM_CKISSFFT_SHIM_H
#include <kiss_fft.h>
#endif
