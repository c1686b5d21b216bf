#ifndef NSTM_CHDF5_TRIAL_H
#define NSTM_CHDF5_TRIAL_H

// Reading a file in a process of its own first.
//
// A file with right digests may still have been made to harm, and libhdf5 (seen with 1.10.8) crashes on some of those. So a file that
// this process has not seen before is opened, walked and read once in a forked child, which cannot open or write any other file
// and whose time is limited. When the child dies, the file is refused, and this process never gives it to the library.
//
// The child runs nothing but this file and libhdf5: after a fork of a process with threads not much else is safe.

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/// What the reader refuses anyway is not tried: it would only cost time and memory.
typedef struct {
    unsigned long long file_bytes; // more stored data than the file has
    unsigned long long ratio;      // more bytes for a stored one
    unsigned long long chunk_bytes;
    unsigned depth;
    unsigned long objects;
} nstm_trial_limits;

static inline void nstm_trial_group(hid_t group, unsigned depth, const nstm_trial_limits *limits, unsigned long *objects);

static inline void nstm_trial_attribute(hid_t object) {
    if (H5Aexists(object, "order") <= 0) return;
    hid_t attribute = H5Aopen(object, "order", H5P_DEFAULT);
    if (attribute < 0) return;
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    long long value = 0;
    if (type >= 0 && space >= 0 && H5Tequal(type, H5T_STD_I64LE) > 0 && H5Sget_simple_extent_type(space) == H5S_SCALAR)
        H5Aread(attribute, H5T_NATIVE_INT64, &value);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    H5Aclose(attribute);
}

static inline void nstm_trial_dataset(hid_t dataset, const nstm_trial_limits *limits) {
    hid_t creation = H5Dget_create_plist(dataset);
    if (creation < 0) return;
    H5D_layout_t layout = H5Pget_layout(creation);
    int is_plain = (layout == H5D_CHUNKED || layout == H5D_COMPACT || layout == H5D_CONTIGUOUS) &&
        H5Pget_external_count(creation) == 0;
    int filters = H5Pget_nfilters(creation);
    for (int i = 0; i < filters && is_plain; i++) {
        unsigned flags = 0, configuration = 0;
        size_t parameters = 0;
        H5Z_filter_t filter = H5Pget_filter2(creation, (unsigned)i, &flags, &parameters, NULL, 0, NULL, &configuration);
        is_plain = filter == H5Z_FILTER_DEFLATE || filter == H5Z_FILTER_SHUFFLE || filter == H5Z_FILTER_FLETCHER32;
    }
    hid_t type = is_plain ? H5Dget_type(dataset) : -1, space = is_plain ? H5Dget_space(dataset) : -1;
    if (is_plain && type >= 0 && space >= 0) {
        hsize_t sizes[H5S_MAX_RANK] = {0}, chunk[H5S_MAX_RANK] = {0};
        int rank = H5Sget_simple_extent_ndims(space);
        size_t element = H5Tget_size(type);
        H5T_class_t kind = H5Tget_class(type);
        int is_usual = element > 0 && element <= 8 && (kind == H5T_INTEGER || kind == H5T_FLOAT || kind == H5T_ENUM);
        unsigned long long stored = H5Dget_storage_size(dataset), bytes = element, piece = element;
        int fits = is_usual && rank >= 0 && rank <= 8 && H5Sget_simple_extent_dims(space, sizes, NULL) >= 0;
        for (int i = 0; i < rank && fits; i++) fits = !__builtin_mul_overflow(bytes, (unsigned long long)sizes[i], &bytes);
        if (fits && layout == H5D_CHUNKED) {
            fits = H5Pget_chunk(creation, 8, chunk) == rank;
            for (int i = 0; i < rank && fits; i++)
                fits = !__builtin_mul_overflow(piece, (unsigned long long)chunk[i], &piece) && piece <= limits->chunk_bytes;
        }
        unsigned long long most = 0;
        fits = fits && stored <= limits->file_bytes && !__builtin_mul_overflow(stored, limits->ratio, &most) && bytes <= most;
        void *memory = fits && bytes > 0 ? malloc((size_t)bytes) : NULL;
        if (memory) H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, memory);
        free(memory);
        nstm_trial_attribute(dataset);
    }
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    H5Pclose(creation);
}

static inline void nstm_trial_object(hid_t object, unsigned depth, const nstm_trial_limits *limits, unsigned long *objects) {
    switch (H5Iget_type(object)) {
    case H5I_GROUP:
        if (depth < limits->depth) nstm_trial_group(object, depth, limits, objects);
        break;
    case H5I_DATASET: nstm_trial_dataset(object, limits); break;
    default: break;
    }
}

static inline void nstm_trial_group(hid_t group, unsigned depth, const nstm_trial_limits *limits, unsigned long *objects) {
    H5G_info_t info;
    if (H5Gget_info(group, &info) < 0) return;
    for (hsize_t i = 0; i < info.nlinks && *objects < limits->objects; i++) {
        char name[512];
        ssize_t length = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_NATIVE, i, name, sizeof name, H5P_DEFAULT);
        if (length < 0 || (size_t)length >= sizeof name) return;
        *objects += 1;
        H5L_info_t link;
        if (H5Lget_info(group, name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD) return;
        hid_t object = H5Oopen(group, name, H5P_DEFAULT);
        if (object < 0) return;
        nstm_trial_object(object, depth + 1, limits, objects);
        H5Oclose(object);
    }
}

static inline void nstm_trial_limit(int resource, rlim_t most) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0) return;
    if (limit.rlim_cur > most) limit.rlim_cur = most;
    limit.rlim_max = limit.rlim_cur;
    setrlimit(resource, &limit);
}

/// Uses up what is free within the heap and gives the rest back, so that the library's memory lies at the end of the heap, one block
/// behind the other: what it reads beyond a block then soon is beyond the heap. Otherwise this would depend on what this process has
/// done before, and the child could live where the process then dies.
static inline void nstm_trial_fill_heap(void) {
#ifdef __GLIBC__
    mallopt(M_TOP_PAD, 0);
    malloc_trim(0);
    const char *end = (const char *)sbrk(0);
    size_t left = (size_t)256 << 20;
    for (size_t size = 1 << 16; size >= 16; size /= 2) {
        for (;;) {
            void *volatile block = malloc(size);
            if (!block || (const char *)block >= end || left < size) break;
            left -= size;
        }
    }
    // What was freed or never written looks like nothing that could be used.
    mallopt(M_PERTURB, 0xA5);
#endif
}

/// What the child does, with signals as they are without a handler, because it is meant to die quietly.
static inline void nstm_trial_child(const char *name, hid_t access, const nstm_trial_limits *limits) {
    const int deadly[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP, SIGXCPU, SIGINT, SIGTERM, SIGPIPE};
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) signal(deadly[i], SIG_DFL);
    int nowhere = open("/dev/null", O_RDWR);
    if (nowhere >= 0) {
        dup2(nowhere, 1);
        dup2(nowhere, 2);
    }
    nstm_trial_limit(RLIMIT_CORE, 0);
    nstm_trial_limit(RLIMIT_FSIZE, 0);
    // Seconds: files that lead the library in circles end here.
    nstm_trial_limit(RLIMIT_CPU, 20 + limits->file_bytes / (20 << 20));
    nstm_trial_fill_heap();
    hid_t file = H5Fopen(name, H5F_ACC_RDONLY, access);
    // From here on nothing else can be opened.
    nstm_trial_limit(RLIMIT_NOFILE, 0);
    if (file < 0) return;
    hid_t root = H5Oopen(file, "/", H5P_DEFAULT);
    if (root >= 0) {
        unsigned long objects = 0;
        const char *names[] = {"format", "format_version", "dims_order", "created_utc"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            if (H5Aexists(root, names[i]) <= 0) continue;
            hid_t attribute = H5Aopen(root, names[i], H5P_DEFAULT);
            if (attribute < 0) continue;
            hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
            size_t size = type >= 0 ? H5Tget_size(type) : 0;
            if (space >= 0 && size > 0 && size <= 4096 && H5Sget_simple_extent_npoints(space) == 1 &&
                H5Tis_variable_str(type) <= 0) {
                char bytes[4096];
                H5Aread(attribute, type, bytes);
            }
            if (space >= 0) H5Sclose(space);
            if (type >= 0) H5Tclose(type);
            H5Aclose(attribute);
        }
        nstm_trial_object(root, 0, limits, &objects);
        H5Oclose(root);
    }
    H5Fclose(file);
    // Large requests make the allocator look through its lists, and stop when they are damaged.
    for (size_t size = 16; size <= (size_t)1 << 22; size *= 2) {
        void *volatile memory = malloc(size);
        free(memory);
    }
}

/// Reads a file in a child process.
/// - Returns: 0 when the child came to its end, whatever the library thought of the file; 1 when it died; −1: there is no child
///   (`errno`).
static inline int nstm_trial_read(const char *name, hid_t access, nstm_trial_limits limits) {
    int ends[2];
    if (pipe(ends) != 0) return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    pid_t child = fork();
    if (child < 0) {
        int code = errno;
        close(ends[0]);
        close(ends[1]);
        errno = code;
        return -1;
    }
    if (child == 0) {
        close(ends[0]);
        nstm_trial_child(name, access, &limits);
        _exit(write(ends[1], "", 1) == 1 ? 0 : 1);
    }
    close(ends[1]);
    // Not the exit status: a program that ignores SIGCHLD gets none.
    char byte;
    ssize_t count;
    do count = read(ends[0], &byte, 1);
    while (count < 0 && errno == EINTR);
    close(ends[0]);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    return count == 1 ? 0 : 1;
}

#endif
