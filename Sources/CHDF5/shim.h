#ifndef NSTM_CHDF5_SHIM_H
#define NSTM_CHDF5_SHIM_H
#include <hdf5.h>
#endif
