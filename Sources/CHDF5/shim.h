#ifndef NSTM_CHDF5_SHIM_H
#define NSTM_CHDF5_SHIM_H

// Swift cannot import HDF5's constants: most are macros that first call H5open() and then read a mutable global. Each gets a
// getter here. Functions whose signature changed between HDF5 1.10, 1.12 and 1.14 are wrapped with the one field NSTM needs.

#include <hdf5.h>
#include "sticky_driver.h"
#include "reading.h"

// Property list classes
static inline hid_t nstm_H5P_FILE_CREATE(void) { return H5P_FILE_CREATE; }
static inline hid_t nstm_H5P_FILE_ACCESS(void) { return H5P_FILE_ACCESS; }
static inline hid_t nstm_H5P_DATASET_CREATE(void) { return H5P_DATASET_CREATE; }
static inline hid_t nstm_H5P_LINK_CREATE(void) { return H5P_LINK_CREATE; }

// File types: little-endian on every host
static inline hid_t nstm_H5T_IEEE_F32LE(void) { return H5T_IEEE_F32LE; }
static inline hid_t nstm_H5T_IEEE_F64LE(void) { return H5T_IEEE_F64LE; }
static inline hid_t nstm_H5T_STD_I8LE(void) { return H5T_STD_I8LE; }
static inline hid_t nstm_H5T_STD_I32LE(void) { return H5T_STD_I32LE; }
static inline hid_t nstm_H5T_STD_I64LE(void) { return H5T_STD_I64LE; }
static inline hid_t nstm_H5T_STD_U8LE(void) { return H5T_STD_U8LE; }
static inline hid_t nstm_H5T_C_S1(void) { return H5T_C_S1; }

// Memory types
static inline hid_t nstm_H5T_NATIVE_FLOAT(void) { return H5T_NATIVE_FLOAT; }
static inline hid_t nstm_H5T_NATIVE_DOUBLE(void) { return H5T_NATIVE_DOUBLE; }
static inline hid_t nstm_H5T_NATIVE_INT32(void) { return H5T_NATIVE_INT32; }
static inline hid_t nstm_H5T_NATIVE_INT64(void) { return H5T_NATIVE_INT64; }
static inline hid_t nstm_H5T_NATIVE_UINT8(void) { return H5T_NATIVE_UINT8; }

// Flag
static inline unsigned nstm_H5F_ACC_EXCL(void) { return H5F_ACC_EXCL; }

#endif
