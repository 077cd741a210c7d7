#include <errno.h>

#include "argument.h"
#include "status.h"

int DC_CTX_has_session(DC_CTX *ctx, const unsigned char *id, unsigned int id_len)
{
	struct dc_question question = {.op = DC_HAVE, .id = id, .id_len = id_len};
	int status;

	if (ctx && id && id_len > DC_CTX_MAX_ID)
		return 0;
	if (!dc_argument_id(ctx, id, id_len))
		return -1;
	status = dc_status_ask(ctx, &question);
	if (status == DC_STATUS_OK)
		return 1;
	if (status == DC_STATUS_NOTOK)
		return 0;
	if (status > 0)
		errno = dc_status_errno(status);
	return -1;
}
