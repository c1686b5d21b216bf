#ifndef NSTM_CKISSFFT_SHIM_H
#define NSTM_CKISSFFT_SHIM_H

// What is used of the library is the C++ template kissfft.hh, which Swift cannot import: see CNSTMFourier. It serves both element
// types, while packages ship the C library for one.

#endif
