/* The limits that are checked before anything is sent. */
#ifndef DC_ARGUMENT_H
#define DC_ARGUMENT_H

#include <stdbool.h>

#include "distcache/dc_client.h"

/* dc_argument_fail sets errno and returns false. */
bool dc_argument_fail(int error);

/* dc_argument_id reports whether ctx and id are valid. Otherwise errno is EINVAL. */
bool dc_argument_id(const DC_CTX *ctx, const unsigned char *id, unsigned int id_len);

/* dc_argument_data reports whether a session may be added. Otherwise errno is EINVAL or EMSGSIZE. */
bool dc_argument_data(const unsigned char *data, unsigned int data_len, unsigned int id_len,
                      unsigned long timeout_msecs);

/* dc_argument_store sets *used, if given, to 0, and reports whether a session can be copied to store.
 * Otherwise errno is EINVAL. */
bool dc_argument_store(const unsigned char *store, unsigned int store_size, unsigned int *used);

#endif
