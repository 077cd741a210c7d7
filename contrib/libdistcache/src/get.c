#include <errno.h>
#include <string.h>

#include "argument.h"
#include "exchange.h"
#include "lastget.h"
#include "status.h"

/* Fewer bytes than this are no session: see DC_CTX_get_session in the header. */
enum { LEAST_HIT = 5 };

static int copy_out(const struct dc_last_get *last, unsigned char *store, unsigned int store_size,
                    unsigned int *used)
{
	unsigned int length = (unsigned int)last->data_len;
	unsigned int copied = length < store_size ? length : store_size;

	if (copied > 0)
		memcpy(store, last->data, copied);
	*used = length;
	return 1;
}

/* judge returns true for a hit, and otherwise false with errno. */
static bool judge(const struct dc_last_get *last)
{
	if (last->data_len >= LEAST_HIT)
		return true;
	if (last->data_len == 0)
		return dc_argument_fail(ENOTCONN);
	/* One byte is a status; more than one, but too few, cannot be told from a session that is too short. */
	return dc_argument_fail(last->data_len == 1 ? dc_status_errno(last->data[0]) : EPROTO);
}

int DC_CTX_get_session(DC_CTX *ctx, const unsigned char *id, unsigned int id_len, unsigned char *store,
                       unsigned int store_size, unsigned int *used)
{
	struct dc_question question = {.op = DC_GET, .id = id, .id_len = id_len};
	struct dc_last_get *last;

	if (!dc_argument_store(store, store_size, used) || !dc_argument_id(ctx, id, id_len))
		return 0;
	last = dc_last_get_begin();
	if (!last || !dc_exchange(ctx, &question, last->data, sizeof last->data, &last->data_len) || !judge(last))
		return 0;
	memcpy(last->id, id, id_len);
	last->id_len = id_len;
	last->serial = ctx->serial;
	return copy_out(last, store, store_size, used);
}

int DC_CTX_reget_session(DC_CTX *ctx, const unsigned char *id, unsigned int id_len, unsigned char *store,
                         unsigned int store_size, unsigned int *used)
{
	const struct dc_last_get *last;

	if (!dc_argument_store(store, store_size, used) || !dc_argument_id(ctx, id, id_len))
		return 0;
	last = dc_last_get_find(ctx->serial, id, id_len);
	if (!last)
		return dc_argument_fail(ENOENT);
	return copy_out(last, store, store_size, used);
}
