#include "context.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "budget.h"
#include "connect.h"
#include "deadline.h"
#include "lastget.h"

/* More connections than this are not kept for operations that asked for one of their own. */
enum { MOST_TEMPORARY = 8 };

enum {
	ALL_FLAGS = DC_CTX_FLAG_PERSISTENT | DC_CTX_FLAG_PERSISTENT_PIDCHECK |
	            DC_CTX_FLAG_PERSISTENT_RETRY | DC_CTX_FLAG_PERSISTENT_LATE
};

static unsigned long next_serial(void)
{
	static atomic_ulong last;

	return atomic_fetch_add(&last, 1) + 1;
}

/* connect_early opens the first connection of a persistent context, unless LATE is set. */
static bool connect_early(DC_CTX *ctx)
{
	struct dc_connection first;

	if (!(ctx->flags & DC_CTX_FLAG_PERSISTENT) || ctx->flags & DC_CTX_FLAG_PERSISTENT_LATE)
		return true;
	first = dc_connection_of(dc_connect(&ctx->target, &ctx->peers, dc_deadline_in(ctx->budget_msecs)));
	if (first.fd >= 0)
		dc_pool_give(&ctx->pool, &first);
	return first.fd >= 0;
}

/* init_pool decides how many connections are kept, and for how long. */
static void init_pool(DC_CTX *ctx)
{
	int msecs = dc_keep_msecs();

	if (ctx->flags & DC_CTX_FLAG_PERSISTENT)
		dc_pool_init(&ctx->pool, DC_MAX_IDLE, 0);
	else
		dc_pool_init(&ctx->pool, msecs > 0 ? MOST_TEMPORARY : 0, msecs);
}

static bool set_up(DC_CTX *ctx, const char *target, unsigned int flags)
{
	ctx->flags = flags;
	ctx->budget_msecs = dc_budget_msecs();
	ctx->serial = next_serial();
	atomic_init(&ctx->next_uid, 1);
	init_pool(ctx);
	dc_silence_init(&ctx->silence, ctx->budget_msecs);
	return dc_peers_init(&ctx->peers) && dc_target_resolve(&ctx->target, target) && connect_early(ctx);
}

DC_CTX *DC_CTX_new(const char *target, unsigned int flags)
{
	DC_CTX *ctx;

	if (flags & ~(unsigned int)ALL_FLAGS) {
		errno = EINVAL;
		return NULL;
	}
	ctx = malloc(sizeof *ctx);
	if (ctx && !set_up(ctx, target, flags)) {
		int saved = errno;

		free(ctx);
		errno = saved;
		return NULL;
	}
	return ctx;
}

void DC_CTX_free(DC_CTX *ctx)
{
	int saved = errno;

	if (!ctx)
		return;
	dc_pool_empty(&ctx->pool);
	dc_last_get_forget(ctx->serial);
	free(ctx);
	errno = saved;
}
