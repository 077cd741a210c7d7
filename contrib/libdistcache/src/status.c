#include "status.h"

#include <errno.h>

#include "exchange.h"

int dc_status_ask(DC_CTX *ctx, const struct dc_question *question)
{
	unsigned char status;
	size_t length;

	if (!dc_exchange(ctx, question, &status, sizeof status, &length))
		return -1;
	return length == 0 ? DC_STATUS_DISCONNECTED : status;
}

int dc_status_errno(int status)
{
	switch (status) {
	case DC_STATUS_NOTOK:
		return ENOENT;
	case DC_STATUS_DISCONNECTED:
		return ENOTCONN;
	case DC_STATUS_ADD_EXISTS:
		return EEXIST;
	case DC_STATUS_ADD_CORRUPT:
	case DC_STATUS_ADD_TIMEOUT:
	case DC_STATUS_ADD_ID_LEN:
	case DC_STATUS_ADD_DATA_LEN:
		return EINVAL;
	default:
		return EPROTO;
	}
}
