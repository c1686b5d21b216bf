#ifndef NSTM_CCRYPTO_SHIM_H
#define NSTM_CCRYPTO_SHIM_H

#include <openssl/evp.h>

#endif
