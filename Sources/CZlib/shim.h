#ifndef NSTM_CZLIB_SHIM_H
#define NSTM_CZLIB_SHIM_H

#include <zlib.h>

/// `inflateInit2` is a macro, which Swift cannot import. Window of 32 KiB, gzip header and trailer only.
static inline int nstm_inflate_start_gzip(z_stream *stream) { return inflateInit2(stream, 15 + 16); }

#endif
