#ifndef NSTM_CHDF5_STICKY_DRIVER_H
#define NSTM_CHDF5_STICKY_DRIVER_H

// A file driver for writing that survives a full disk.
//
// When a write fails with libhdf5's own POSIX driver, the library can neither flush nor close the file: it keeps the descriptor
// (and with it the space of a deleted file) and crashes in its exit handler (seen with 1.10.8). This driver writes in the same
// way, but stores the first error and reports success, so that the library can always close the file regularly. The caller has to
// check the stored error and discard the file if there is one.

#include <hdf5.h>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/// The data of this driver in a file access property list.
typedef struct {
    int *error; // errno of the first failure; 0: none
} nstm_sticky_info;

typedef struct {
    H5FD_t base; // has to be first
    int descriptor;
    int *error;
    haddr_t eoa; // end of the addresses that the library has allocated
    haddr_t eof; // end of the file
} nstm_sticky_file;

static inline void nstm_sticky_fail(nstm_sticky_file *file) {
    if (*file->error == 0) *file->error = errno ? errno : EIO;
}

static H5FD_t *nstm_sticky_open(const char *name, unsigned flags, hid_t access, haddr_t max_address) {
    (void)max_address;
    const nstm_sticky_info *info = (const nstm_sticky_info *)H5Pget_driver_info(access);
    if (!info) return NULL;
    int mode = (flags & H5F_ACC_RDWR) ? O_RDWR : O_RDONLY;
    if (flags & H5F_ACC_TRUNC) mode |= O_TRUNC;
    if (flags & H5F_ACC_CREAT) mode |= O_CREAT;
    if (flags & H5F_ACC_EXCL) mode |= O_EXCL;
    int descriptor = open(name, mode | O_CLOEXEC, 0666);
    struct stat status;
    nstm_sticky_file *file = NULL;
    if (descriptor >= 0 && fstat(descriptor, &status) == 0) file = (nstm_sticky_file *)calloc(1, sizeof *file);
    if (!file) {
        // Here an error may be reported to the library, because there is no file yet to close.
        if (*info->error == 0) *info->error = errno ? errno : EIO;
        if (descriptor >= 0) close(descriptor);
        return NULL;
    }
    file->descriptor = descriptor;
    file->error = info->error;
    file->eof = (haddr_t)status.st_size;
    return &file->base;
}

static herr_t nstm_sticky_close(H5FD_t *base) {
    nstm_sticky_file *file = (nstm_sticky_file *)base;
    if (close(file->descriptor) != 0) nstm_sticky_fail(file);
    free(file);
    return 0;
}

static herr_t nstm_sticky_query(const H5FD_t *base, unsigned long *flags) {
    (void)base;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE
        | H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}

static haddr_t nstm_sticky_get_eoa(const H5FD_t *base, H5FD_mem_t type) {
    (void)type;
    return ((const nstm_sticky_file *)base)->eoa;
}
static herr_t nstm_sticky_set_eoa(H5FD_t *base, H5FD_mem_t type, haddr_t address) {
    (void)type;
    ((nstm_sticky_file *)base)->eoa = address;
    return 0;
}
static haddr_t nstm_sticky_get_eof(const H5FD_t *base, H5FD_mem_t type) {
    (void)type;
    return ((const nstm_sticky_file *)base)->eof;
}

static herr_t nstm_sticky_read(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size, void *buffer) {
    (void)type, (void)transfer;
    nstm_sticky_file *file = (nstm_sticky_file *)base;
    char *to = (char *)buffer;
    while (size > 0) {
        ssize_t n = pread(file->descriptor, to, size, (off_t)address);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            // Bytes after the end of the file read as zeros.
            if (n < 0) nstm_sticky_fail(file);
            memset(to, 0, size);
            break;
        }
        to += n, address += (haddr_t)n, size -= (size_t)n;
    }
    return 0;
}

static herr_t nstm_sticky_write(
    H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size, const void *buffer) {
    (void)type, (void)transfer;
    nstm_sticky_file *file = (nstm_sticky_file *)base;
    const char *from = (const char *)buffer;
    haddr_t end = address + size;
    while (size > 0 && *file->error == 0) {
        ssize_t n = pwrite(file->descriptor, from, size, (off_t)address);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (n == 0) errno = ENOSPC;
            nstm_sticky_fail(file);
            break;
        }
        from += n, address += (haddr_t)n, size -= (size_t)n;
    }
    // Also after an error, because the library must assume that all data is written.
    if (end > file->eof) file->eof = end;
    return 0;
}

static herr_t nstm_sticky_truncate(H5FD_t *base, hid_t transfer, hbool_t closing) {
    (void)transfer, (void)closing;
    nstm_sticky_file *file = (nstm_sticky_file *)base;
    if (file->eof != file->eoa && *file->error == 0 && ftruncate(file->descriptor, (off_t)file->eoa) != 0) nstm_sticky_fail(file);
    file->eof = file->eoa;
    return 0;
}

/// Registers the driver with the library. Once per process, and never unregistered: libhdf5 releases its reference to a file's
/// driver before it calls the driver's `close` (seen with 1.10.8), so a driver without another reference would be freed in
/// between. Negative: error.
static inline hid_t nstm_register_sticky_driver(void) {
    const H5FD_class_t driver = {
#if H5_VERSION_GE(1, 13, 0)
        .version = H5FD_CLASS_VERSION,
        .value = 0x4E53, // from the range that is free for private use
#endif
        .name = "nstm_sticky",
        .maxaddr = ((haddr_t)1 << (8 * sizeof(off_t) - 1)) - 1,
        .fc_degree = H5F_CLOSE_WEAK,
        .fapl_size = sizeof(nstm_sticky_info),
        .open = nstm_sticky_open,
        .close = nstm_sticky_close,
        .query = nstm_sticky_query,
        .get_eoa = nstm_sticky_get_eoa,
        .set_eoa = nstm_sticky_set_eoa,
        .get_eof = nstm_sticky_get_eof,
        .read = nstm_sticky_read,
        .write = nstm_sticky_write,
        .truncate = nstm_sticky_truncate,
        .fl_map = H5FD_FLMAP_DICHOTOMY,
    };
    return H5FDregister(&driver);
}

/// Sets this driver in an access property list. `error` has to be 0, and must be valid until the file is closed.
static inline herr_t nstm_H5Pset_sticky_driver(hid_t access, hid_t driver, int *error) {
    nstm_sticky_info info = {error};
    return H5Pset_driver(access, driver, &info);
}

#endif
