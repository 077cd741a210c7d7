#include <errno.h>

#include "argument.h"
#include "lastget.h"
#include "status.h"

int DC_CTX_remove_session(DC_CTX *ctx, const unsigned char *id, unsigned int id_len)
{
	struct dc_question question = {.op = DC_REMOVE, .id = id, .id_len = id_len};
	int status;

	if (!dc_argument_id(ctx, id, id_len))
		return 0;
	dc_last_get_forget_id(ctx->serial, id, id_len);
	status = dc_status_ask(ctx, &question);
	if (status > 0)
		errno = dc_status_errno(status);
	return status == DC_STATUS_OK;
}
