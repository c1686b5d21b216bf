#ifndef NSTM_CHDF5_SHIM_H
#define NSTM_CHDF5_SHIM_H

// Swift cannot import HDF5's constants: most are macros that first call H5open() and then read a mutable global. Each gets a
// getter here. Functions whose signature changed between HDF5 1.10, 1.12 and 1.14 are wrapped with the one field NSTM needs.

#include <hdf5.h>
#include "sticky_driver.h"
#include "trial.h"

// Property list classes
static inline hid_t nstm_H5P_FILE_CREATE(void) { return H5P_FILE_CREATE; }
static inline hid_t nstm_H5P_FILE_ACCESS(void) { return H5P_FILE_ACCESS; }
static inline hid_t nstm_H5P_DATASET_CREATE(void) { return H5P_DATASET_CREATE; }
static inline hid_t nstm_H5P_LINK_CREATE(void) { return H5P_LINK_CREATE; }

// File types: little-endian whatever the machine
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

// Flags
static inline unsigned nstm_H5F_ACC_RDONLY(void) { return H5F_ACC_RDONLY; }
static inline unsigned nstm_H5F_ACC_EXCL(void) { return H5F_ACC_EXCL; }

/// Whether a link is a hard link (1) or something that leads elsewhere: soft, external or user-defined (0). Negative: error.
static inline int nstm_H5Lis_hard(hid_t group, const char *name) {
    H5L_info_t info;
    if (H5Lget_info(group, name, &info, H5P_DEFAULT) < 0) return -1;
    return info.type == H5L_TYPE_HARD;
}

/// How many hard links lead to an object. Negative: error.
static inline long nstm_H5Oreference_count(hid_t object) {
#if H5_VERSION_GE(1, 12, 0)
    H5O_info2_t info;
    if (H5Oget_info3(object, &info, H5O_INFO_BASIC) < 0) return -1;
#else
    H5O_info_t info;
    if (H5Oget_info(object, &info) < 0) return -1;
#endif
    return (long)info.rc;
}

#endif
