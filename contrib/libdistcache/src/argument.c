#include "argument.h"

#include <errno.h>
#include <stddef.h>

#include "wire.h"

bool dc_argument_fail(int error)
{
	errno = error;
	return false;
}

bool dc_argument_id(const DC_CTX *ctx, const unsigned char *id, unsigned int id_len)
{
	if (!ctx || !id || id_len == 0 || id_len > DC_CTX_MAX_ID)
		return dc_argument_fail(EINVAL);
	return true;
}

bool dc_argument_data(const unsigned char *data, unsigned int data_len, unsigned int id_len,
                      unsigned long timeout_msecs)
{
	if (!data || data_len == 0 || timeout_msecs > DC_MAX_TIMEOUT_MSECS)
		return dc_argument_fail(EINVAL);
	if (data_len > DC_MAX_PAYLOAD - DC_ADD_PREFIX_SIZE - id_len)
		return dc_argument_fail(EMSGSIZE);
	return true;
}

bool dc_argument_store(const unsigned char *store, unsigned int store_size, unsigned int *used)
{
	if (used)
		*used = 0;
	if (!used || (!store && store_size > 0))
		return dc_argument_fail(EINVAL);
	return true;
}
