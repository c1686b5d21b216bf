#ifndef NSTM_CHDF5_READING_H
#define NSTM_CHDF5_READING_H

// Reading a file in a child process.
//
// A file with valid digests may still be malicious, and libhdf5 (seen with 1.10.8) crashes on some such files. So the library
// never reads a file of unknown origin in the process that needs it. A forked child opens the file, sends its structure through a
// socket, and then the elements of the requested datasets. It makes no decisions: `ArchiveReader.swift` checks everything that it
// receives. A file that the process has written itself needs no child, and gives the same stream in memory.
//
// The stream is a sequence of 64-bit numbers in the byte order of the host, and of texts: a number of bytes, then the bytes.
// The result of every call of libhdf5 starts with an answer: 1, or 0 with the failure, which ends the stream.
//
//     answer (open the file), answer (examine it), whether it is the file that was verified (1)
//     creation date: 0 none, 1 with answer, 0 (not a short text) or 1 with answer and text
//     answer (open the root), group
//     group: answer, number of links, and for each link:
//         answer, length of the name, name, answer, whether the link is a hard one (1),
//         answer (open the object), answer, number of links to it, kind: 0 group, 1 dataset, 2 other; then the group or dataset
//     dataset: answer, layout, answer, number of external files, answer, number of filters, each filter,
//         answer, index of the element type (−1: another one), answer, kind of the extent, answer, rank, answer, each size,
//         for chunks: answer, rank, 8 sizes; bytes stored,
//         attribute `order`: 0 none, 1 with answer, 0 (not an integer) or 1 with answer and value
//     for each requested dataset: answer, number of bytes, the elements
//
// The child runs only this file and libhdf5: after a fork of a multithreaded process, few other functions are safe.

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

// MARK: Failures of the library

/// The content of libhdf5's error stack.
typedef struct {
    int code; // `errno` of the system call behind it; 0: none
    char outermost[512], innermost[512];
} nstm_failure;

static inline herr_t nstm_failure_entry(unsigned index, const H5E_error2_t *entry, void *data) {
    nstm_failure *failure = (nstm_failure *)data;
    // Upward order: the first is the innermost, the last the API function that was called.
    char *text = failure->outermost;
    snprintf(
        text, sizeof failure->outermost, "%s: %s", entry->func_name ? entry->func_name : "?", entry->desc ? entry->desc : "?");
    if (index == 0) memcpy(failure->innermost, text, sizeof failure->innermost);
    const char *code = strstr(text, "errno = ");
    if (code && failure->code == 0) failure->code = (int)strtol(code + 8, NULL, 10);
    return 0;
}

/// The errors on the stack, which is cleared.
static inline nstm_failure nstm_failure_take(void) {
    nstm_failure failure = {0, "no message", "no message"};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, nstm_failure_entry, &failure);
    H5Eclear2(H5E_DEFAULT);
    return failure;
}

// MARK: The socket

/// Sends all bytes, without a signal if the other end is closed.
/// - Returns: 0, or −1 (`errno`).
static inline int nstm_send(int socket, const void *bytes, size_t count) {
#ifdef MSG_NOSIGNAL
    const int flags = MSG_NOSIGNAL;
#else
    const int flags = 0; // `SO_NOSIGPIPE` is set.
#endif
    const char *from = (const char *)bytes;
    while (count > 0) {
        ssize_t n = send(socket, from, count, flags);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        from += n, count -= (size_t)n;
    }
    return 0;
}

static inline int nstm_receive(int socket, void *bytes, size_t count) {
    char *to = (char *)bytes;
    while (count > 0) {
        ssize_t n = read(socket, to, count);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        to += n, count -= (size_t)n;
    }
    return 0;
}

/// A request for the elements of a dataset.
typedef struct {
    unsigned long long type; // index of the element type
    unsigned long long bytes;
    char path[4096]; // null-terminated
} nstm_request;

/// A path that is too long for a checkpoint is truncated.
static inline nstm_request nstm_make_request(const char *path, unsigned long long type, unsigned long long bytes) {
    nstm_request request = {type, bytes, {0}};
    strncpy(request.path, path, sizeof request.path - 1);
    return request;
}

/// - Returns: 0, or −1 (`errno`).
static inline int nstm_reading_ask(int socket, const char *path, unsigned long long type, unsigned long long bytes) {
    nstm_request request = nstm_make_request(path, type, bytes);
    return nstm_send(socket, &request, sizeof request);
}

/// A stream to a socket, or (−1) to a growing buffer in memory.
typedef struct {
    int socket;
    int is_broken;
    size_t used, size;
    char *bytes;
} nstm_sender;

static inline void nstm_flush(nstm_sender *out) {
    if (nstm_send(out->socket, out->bytes, out->used) != 0) out->is_broken = 1;
    out->used = 0;
}
static inline void nstm_put_bytes(nstm_sender *out, const void *bytes, size_t count) {
    if (out->used + count > out->size && out->socket >= 0) nstm_flush(out);
    if (out->used + count > out->size) {
        size_t size = 2 * out->size + count;
        char *larger = (char *)realloc(out->bytes, size);
        if (!larger) {
            out->is_broken = 1;
            return;
        }
        out->bytes = larger, out->size = size;
    }
    memcpy(out->bytes + out->used, bytes, count);
    out->used += count;
}
static inline void nstm_put(nstm_sender *out, unsigned long long number) { nstm_put_bytes(out, &number, sizeof number); }
static inline void nstm_put_text(nstm_sender *out, const char *text, size_t count) {
    nstm_put(out, count);
    nstm_put_bytes(out, text, count);
}

/// Sends whether a call succeeded; a negative status is a failure.
/// - Returns: 1 if the stream continues, 0 if it ends.
static inline int nstm_answer(nstm_sender *out, long long status) {
    if (status >= 0) {
        nstm_put(out, 1);
        return !out->is_broken;
    }
    nstm_failure failure = nstm_failure_take();
    nstm_put(out, 0);
    nstm_put(out, (unsigned long long)failure.code);
    nstm_put_text(out, failure.outermost, strlen(failure.outermost));
    nstm_put_text(out, failure.innermost, strlen(failure.innermost));
    return 0;
}
/// A failure outside of the library.
static inline int nstm_answer_system(nstm_sender *out, int code) {
    nstm_put(out, 0);
    nstm_put(out, (unsigned long long)code);
    nstm_put(out, 0);
    nstm_put(out, 0);
    return 0;
}

// MARK: Structure of a file

enum { nstm_stored_types = 6, nstm_axes = 8 };

typedef struct {
    int descriptor; // of the open file that was verified
    hid_t access;   // file access properties
    // Element types of a checkpoint, in the file and in memory. The last is that of 64-bit integers.
    hid_t file_types[nstm_stored_types], memory_types[nstm_stored_types];
} nstm_reading;

static inline unsigned long long nstm_type_index(hid_t type, const nstm_reading *reading) {
    for (unsigned i = 0; i < nstm_stored_types; i++)
        if (H5Tequal(type, reading->file_types[i]) > 0) return i;
    return ~0ULL;
}

static inline int nstm_list_order(nstm_sender *out, hid_t dataset, const nstm_reading *reading) {
    int is_there = H5Aexists(dataset, "order") > 0;
    nstm_put(out, (unsigned long long)is_there);
    if (!is_there) return 1;
    hid_t attribute = H5Aopen(dataset, "order", H5P_DEFAULT), type = -1, space = -1;
    if (attribute >= 0) type = H5Aget_type(attribute);
    if (type >= 0) space = H5Aget_space(attribute);
    if (!nstm_answer(out, space)) return 0;
    int is_integer = nstm_type_index(type, reading) == nstm_stored_types - 1 && H5Sget_simple_extent_type(space) == H5S_SCALAR;
    nstm_put(out, (unsigned long long)is_integer);
    if (is_integer) {
        long long value = -1;
        if (!nstm_answer(out, H5Aread(attribute, H5T_NATIVE_LLONG, &value))) return 0;
        nstm_put(out, (unsigned long long)value);
    }
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(attribute);
    return 1;
}

static inline int nstm_list_dataset(nstm_sender *out, hid_t dataset, const nstm_reading *reading) {
    hid_t creation = H5Dget_create_plist(dataset);
    if (!nstm_answer(out, creation)) return 0;
    H5D_layout_t layout = H5Pget_layout(creation);
    nstm_put(out, (unsigned long long)layout);
    // Reading the extent of a virtual dataset would open other files.
    if (layout != H5D_CHUNKED && layout != H5D_COMPACT && layout != H5D_CONTIGUOUS) return 0;
    int external = H5Pget_external_count(creation);
    if (!nstm_answer(out, external)) return 0;
    nstm_put(out, (unsigned long long)external);
    if (external > 0) return 0;

    int filters = H5Pget_nfilters(creation);
    if (!nstm_answer(out, filters)) return 0;
    nstm_put(out, (unsigned long long)filters);
    for (int i = 0; i < filters; i++) {
        unsigned flags = 0, configuration = 0;
        size_t parameters = 0;
        H5Z_filter_t filter = H5Pget_filter2(creation, (unsigned)i, &flags, &parameters, NULL, 0, NULL, &configuration);
        nstm_put(out, (unsigned long long)filter);
    }

    hid_t type = H5Dget_type(dataset);
    if (!nstm_answer(out, type)) return 0;
    nstm_put(out, nstm_type_index(type, reading));
    H5Tclose(type);

    hid_t space = H5Dget_space(dataset);
    if (!nstm_answer(out, space)) return 0;
    nstm_put(out, (unsigned long long)H5Sget_simple_extent_type(space));
    int rank = H5Sget_simple_extent_ndims(space);
    if (!nstm_answer(out, rank)) return 0;
    nstm_put(out, (unsigned long long)rank);
    if (rank > nstm_axes) return 0;
    hsize_t sizes[nstm_axes] = {0}, chunk[nstm_axes] = {0};
    if (!nstm_answer(out, H5Sget_simple_extent_dims(space, sizes, NULL))) return 0;
    for (int i = 0; i < rank; i++) nstm_put(out, sizes[i]);
    H5Sclose(space);

    if (layout == H5D_CHUNKED) {
        int chunk_rank = H5Pget_chunk(creation, nstm_axes, chunk);
        if (!nstm_answer(out, chunk_rank)) return 0;
        nstm_put(out, (unsigned long long)chunk_rank);
        for (int i = 0; i < nstm_axes; i++) nstm_put(out, chunk[i]);
    }
    H5Pclose(creation);
    nstm_put(out, H5Dget_storage_size(dataset));
    return nstm_list_order(out, dataset, reading);
}

/// How many hard links lead to an object. Negative: error.
static inline long nstm_reference_count(hid_t object) {
#if H5_VERSION_GE(1, 12, 0)
    H5O_info2_t info;
    if (H5Oget_info3(object, &info, H5O_INFO_BASIC) < 0) return -1;
#else
    H5O_info_t info;
    if (H5Oget_info(object, &info) < 0) return -1;
#endif
    return (long)info.rc;
}

static inline int nstm_list_group(nstm_sender *out, hid_t group, const nstm_reading *reading) {
    H5G_info_t info;
    if (!nstm_answer(out, H5Gget_info(group, &info))) return 0;
    nstm_put(out, info.nlinks);
    for (hsize_t i = 0; i < info.nlinks; i++) {
        // One byte more than a valid name with its terminator, so that a longer one is detected.
        char name[257] = {0};
        ssize_t length = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_NATIVE, i, name, sizeof name, H5P_DEFAULT);
        if (!nstm_answer(out, length)) return 0;
        nstm_put(out, (unsigned long long)length);
        nstm_put_text(out, name, strnlen(name, sizeof name - 1));
        if (length >= (ssize_t)sizeof name) return 0;

        H5L_info_t link;
        if (!nstm_answer(out, H5Lget_info(group, name, &link, H5P_DEFAULT))) return 0;
        nstm_put(out, link.type == H5L_TYPE_HARD);
        if (link.type != H5L_TYPE_HARD) return 0;

        hid_t object = H5Oopen(group, name, H5P_DEFAULT);
        if (!nstm_answer(out, object)) return 0;
        long references = nstm_reference_count(object);
        if (!nstm_answer(out, references)) return 0;
        nstm_put(out, (unsigned long long)references);
        switch (H5Iget_type(object)) {
        case H5I_GROUP:
            nstm_put(out, 0);
            if (!nstm_list_group(out, object, reading)) return 0;
            break;
        case H5I_DATASET:
            nstm_put(out, 1);
            if (!nstm_list_dataset(out, object, reading)) return 0;
            break;
        default: nstm_put(out, 2); return 0;
        }
        H5Oclose(object);
    }
    return !out->is_broken;
}

static inline int nstm_list_date(nstm_sender *out, hid_t file) {
    const char *name = "created_utc";
    int is_there = H5Aexists(file, name) > 0;
    nstm_put(out, (unsigned long long)is_there);
    if (!is_there) return 0;
    hid_t attribute = H5Aopen(file, name, H5P_DEFAULT), type = -1, space = -1;
    if (attribute >= 0) type = H5Aget_type(attribute);
    if (type >= 0) space = H5Aget_space(attribute);
    if (!nstm_answer(out, space)) return 0;
    char text[64];
    size_t size = H5Tget_size(type);
    int is_text = size > 0 && size <= sizeof text && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
        H5Tget_cset(type) == H5T_CSET_UTF8 && H5Tget_strpad(type) == H5T_STR_NULLPAD &&
        H5Sget_simple_extent_type(space) == H5S_SCALAR;
    nstm_put(out, (unsigned long long)is_text);
    if (!is_text || !nstm_answer(out, H5Aread(attribute, type, text))) return 0;
    nstm_put_text(out, text, size);
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(attribute);
    return 1;
}

static inline int nstm_list_file(nstm_sender *out, hid_t file, const nstm_reading *reading) {
    if (!nstm_answer(out, file)) return 0;
    void *handle = NULL;
    struct stat verified, opened;
    if (!nstm_answer(out, H5Fget_vfd_handle(file, reading->access, &handle))) return 0;
    if (fstat(*(int *)handle, &opened) != 0 || fstat(reading->descriptor, &verified) != 0) return 0;
    int is_same = opened.st_dev == verified.st_dev && opened.st_ino == verified.st_ino && opened.st_size == verified.st_size;
    nstm_put(out, (unsigned long long)is_same);
    if (!is_same || !nstm_list_date(out, file)) return 0;
    hid_t root = H5Oopen(file, "/", H5P_DEFAULT);
    if (!nstm_answer(out, root) || !nstm_list_group(out, root, reading)) return 0;
    H5Oclose(root);
    return 1;
}

/// Reads the elements of a dataset into a requested number of bytes.
static inline int nstm_read_elements(
    nstm_sender *out, hid_t file, const nstm_request *request, const nstm_reading *reading, void *memory) {
    hid_t dataset = H5Dopen2(file, request->path, H5P_DEFAULT);
    if (dataset < 0) return nstm_answer(out, dataset);
    hid_t space = H5Dget_space(dataset), type = reading->memory_types[request->type];
    // The dataset may differ from the listed one.
    hssize_t count = space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
    int is_whole = count >= 0 && (unsigned long long)count == request->bytes / H5Tget_size(type) &&
        nstm_answer(out, H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, memory));
    if (is_whole) nstm_put(out, request->bytes);
    if (space >= 0) H5Sclose(space);
    H5Dclose(dataset);
    return is_whole;
}

/// Opens the file, whose descriptor has been verified.
static inline hid_t nstm_open(const nstm_reading *reading) {
    char name[32];
    snprintf(name, sizeof name, "/dev/fd/%d", reading->descriptor);
    return H5Fopen(name, H5F_ACC_RDONLY, reading->access);
}

// MARK: The child

/// Memory that is reused for the next dataset, because new memory would cost as much as reading.
typedef struct {
    void *bytes;
    unsigned long long count;
} nstm_memory;

static inline int nstm_send_elements(
    nstm_sender *out, hid_t file, const nstm_request *request, const nstm_reading *reading, nstm_memory *memory) {
    if (request->bytes > memory->count) {
        free(memory->bytes);
        memory->bytes = malloc((size_t)request->bytes);
        memory->count = memory->bytes ? request->bytes : 0;
        if (!memory->bytes) return nstm_answer_system(out, ENOMEM);
    }
    if (!nstm_read_elements(out, file, request, reading, memory->bytes)) return 0;
    nstm_flush(out);
    return nstm_send(out->socket, memory->bytes, (size_t)request->bytes) == 0;
}

/// Sends the structure of a file, and then requested datasets, until the other end is closed. `file` may be negative.
static inline void nstm_reading_serve(int socket, hid_t file, const nstm_reading *reading) {
    char bytes[8192];
    nstm_sender out = {socket, 0, 0, sizeof bytes, bytes};
    nstm_request request;
    nstm_memory memory = {NULL, 0};
    int is_whole = nstm_list_file(&out, file, reading);
    nstm_flush(&out);
    while (is_whole && nstm_receive(socket, &request, sizeof request) == 0) {
        is_whole = nstm_send_elements(&out, file, &request, reading, &memory);
        nstm_flush(&out);
    }
    free(memory.bytes);
}

static inline void nstm_limit(int resource, rlim_t most) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0) return;
    if (limit.rlim_cur > most) limit.rlim_cur = most;
    limit.rlim_max = limit.rlim_cur;
    setrlimit(resource, &limit);
}

/// The main function of the child. All signals are blocked except for those of a crash, which end it silently: signals from a
/// terminal, which are sent to all processes, are handled by the parent.
static inline void nstm_reading_child(int socket, const nstm_reading *reading, unsigned long long file_bytes) {
    const int deadly[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGXCPU};
    sigset_t unblocked;
    sigemptyset(&unblocked);
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        signal(deadly[i], SIG_DFL);
        sigaddset(&unblocked, deadly[i]);
    }
    sigprocmask(SIG_UNBLOCK, &unblocked, NULL);
    int nowhere = open("/dev/null", O_RDWR);
    if (nowhere >= 0) {
        dup2(nowhere, 1);
        dup2(nowhere, 2);
    }
    nstm_limit(RLIMIT_CORE, 0);
    nstm_limit(RLIMIT_FSIZE, 0);
    // Seconds, for files with cycles that the library follows forever.
    nstm_limit(RLIMIT_CPU, 20 + file_bytes / (20 << 20));
    hid_t file = nstm_open(reading);
    // No further files can be opened.
    nstm_limit(RLIMIT_NOFILE, 0);
    nstm_reading_serve(socket, file, reading);
}

/// Starts a child process that reads a file. No other thread may be inside libhdf5 during the call.
/// - Returns: its socket, where reading fails after a second without a byte (`EAGAIN`); −1 if there is no child (`errno`).
static inline int nstm_reading_start(const nstm_reading *reading, unsigned long long file_bytes, pid_t *child) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return -1;
    for (int i = 0; i < 2; i++) {
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
#ifdef SO_NOSIGPIPE
        int yes = 1;
        setsockopt(ends[i], SOL_SOCKET, SO_NOSIGPIPE, &yes, sizeof yes);
#endif
    }
    struct timeval second = {1, 0};
    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    // Handlers of this program must not run in the child.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    *child = fork();
    if (*child == 0) {
        close(ends[0]);
        nstm_reading_child(ends[1], reading, file_bytes);
        _exit(0);
    }
    int code = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    if (*child > 0) return ends[0];
    close(ends[0]);
    errno = code;
    return -1;
}

/// Terminates a child and waits for it.
static inline void nstm_reading_end(int socket, pid_t child) {
    close(socket);
    // If the program ignores SIGCHLD, a child that has ended is already reaped, and its id may belong to another process.
    if (waitpid(child, NULL, WNOHANG) != 0) return;
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
}

#endif
