#include <errno.h>

#include "argument.h"
#include "status.h"

int DC_CTX_add_session(DC_CTX *ctx, const unsigned char *id, unsigned int id_len, const unsigned char *data,
                       unsigned int data_len, unsigned long timeout_msecs)
{
	struct dc_question question = {.op = DC_ADD, .id = id, .id_len = id_len, .data = data,
	                               .data_len = data_len};
	int status;

	if (!dc_argument_id(ctx, id, id_len) || !dc_argument_data(data, data_len, id_len, timeout_msecs))
		return 0;
	question.timeout_msecs = (uint32_t)timeout_msecs;
	status = dc_status_ask(ctx, &question);
	if (status > 0)
		errno = status == DC_STATUS_NOTOK ? EPROTO : dc_status_errno(status);
	return status == DC_STATUS_OK;
}
