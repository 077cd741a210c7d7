#include "pool.h"

#include "connect.h"
#include "epoch.h"
#include "stream.h"

enum { NONE = -1 };

void dc_pool_init(struct dc_pool *pool)
{
	atomic_init(&pool->owner, dc_epoch());
	for (int i = 0; i < DC_MAX_IDLE; i++)
		atomic_init(&pool->idle[i], NONE);
}

/* disown closes, after a fork, the child's copies of the parent's connections. The parent keeps its own:
 * closing a copy sends nothing. Until the owner is changed, every thread of the child comes here first, so
 * none can take one of the parent's. */
static void disown(struct dc_pool *pool)
{
	unsigned long self = dc_epoch();

	if (atomic_load(&pool->owner) == self)
		return;
	dc_pool_empty(pool);
	atomic_store(&pool->owner, self);
}

int dc_pool_take(struct dc_pool *pool)
{
	disown(pool);
	for (int i = 0; i < DC_MAX_IDLE; i++) {
		int fd;

		/* A read before the exchange keeps the cache line of an empty place shared. */
		if (atomic_load_explicit(&pool->idle[i], memory_order_relaxed) == NONE)
			continue;
		fd = atomic_exchange(&pool->idle[i], NONE);
		if (fd == NONE)
			continue;
		if (dc_stream_is_idle(fd))
			return fd;
		dc_close(fd);
	}
	return NONE;
}

void dc_pool_give(struct dc_pool *pool, int fd)
{
	disown(pool);
	for (int i = 0; i < DC_MAX_IDLE; i++) {
		int none = NONE;

		if (atomic_load_explicit(&pool->idle[i], memory_order_relaxed) == NONE &&
		    atomic_compare_exchange_strong(&pool->idle[i], &none, fd))
			return;
	}
	dc_close(fd);
}

void dc_pool_empty(struct dc_pool *pool)
{
	for (int i = 0; i < DC_MAX_IDLE; i++) {
		int fd = atomic_exchange(&pool->idle[i], NONE);

		if (fd != NONE)
			dc_close(fd);
	}
}
