#include "pool.h"

#include "connect.h"
#include "epoch.h"
#include "stream.h"

/* Values of dc_place.fd that are no descriptor. */
enum { NONE = -1, HELD = -2 };

/* TAKING is set in owner while one thread of that process closes what its parent left. */
static const unsigned long TAKING = ~(~0UL >> 1);

void dc_pool_init(struct dc_pool *pool, int most, int keep_msecs)
{
	pool->most = most;
	pool->keep_msecs = keep_msecs;
	atomic_init(&pool->owner, dc_epoch());
	for (int i = 0; i < DC_MAX_IDLE; i++)
		atomic_init(&pool->places[i].fd, NONE);
}

static struct dc_connection connection_at(const struct dc_place *place, int fd)
{
	return (struct dc_connection){.fd = fd, .device = place->device, .inode = place->inode};
}

/* own reports whether the connections are this process's. After a fork they are the parent's: the first thread
 * that comes closes the child's copies, which sends nothing, and until it has done so the other threads do without
 * the pool. What a thread of the parent held during the fork stays open. */
static bool own(struct dc_pool *pool)
{
	unsigned long self = dc_epoch(), owner = atomic_load(&pool->owner);

	if (owner == self)
		return true;
	if (owner == (self | TAKING) || !atomic_compare_exchange_strong(&pool->owner, &owner, self | TAKING))
		return false;
	for (int i = 0; i < pool->most; i++) {
		struct dc_place *place = &pool->places[i];
		struct dc_connection copy = connection_at(place, atomic_load(&place->fd));

		if (copy.fd >= 0)
			dc_connection_disown(&copy);
		atomic_store(&place->fd, NONE);
	}
	atomic_store(&pool->owner, self);
	return true;
}

/* hold keeps other threads off the place. It returns the descriptor there, or NONE: then it holds nothing. */
static int hold(struct dc_place *place)
{
	/* A read before the exchange keeps the cache line of an empty place shared. */
	int fd = atomic_load_explicit(&place->fd, memory_order_relaxed);

	if (fd < 0 || !atomic_compare_exchange_strong(&place->fd, &fd, HELD))
		return NONE;
	return fd;
}

static bool too_old(const struct dc_pool *pool, const struct dc_place *place)
{
	return pool->keep_msecs > 0 && dc_deadline_left(place->until) == 0;
}

/* expire closes the connections that are too old, from the place first on. */
static void expire(struct dc_pool *pool, int first)
{
	for (int i = first; i < pool->most && pool->keep_msecs > 0; i++) {
		struct dc_place *place = &pool->places[i];
		int fd = hold(place);
		struct dc_connection kept;

		if (fd == NONE)
			continue;
		kept = connection_at(place, fd);
		if (too_old(pool, place)) {
			dc_connection_end(&kept);
			fd = NONE;
		}
		atomic_store(&place->fd, fd);
	}
}

bool dc_pool_take(struct dc_pool *pool, struct dc_connection *connection)
{
	if (!own(pool))
		return false;
	for (int i = 0; i < pool->most; i++) {
		struct dc_place *place = &pool->places[i];
		int fd = hold(place);
		bool old;

		if (fd == NONE)
			continue;
		*connection = connection_at(place, fd);
		old = too_old(pool, place);
		atomic_store(&place->fd, NONE);
		if (!old && dc_connection_is_ours(connection) && dc_stream_is_idle(fd)) {
			expire(pool, i + 1);
			return true;
		}
		dc_connection_end(connection);
	}
	return false;
}

void dc_pool_give(struct dc_pool *pool, const struct dc_connection *connection)
{
	for (int i = 0; i < pool->most && own(pool); i++) {
		struct dc_place *place = &pool->places[i];
		int none = NONE;

		if (atomic_load_explicit(&place->fd, memory_order_relaxed) != NONE ||
		    !atomic_compare_exchange_strong(&place->fd, &none, HELD))
			continue;
		place->device = connection->device;
		place->inode = connection->inode;
		place->until = dc_deadline_in(pool->keep_msecs);
		atomic_store(&place->fd, connection->fd);
		return;
	}
	dc_close(connection->fd);
}

void dc_pool_empty(struct dc_pool *pool)
{
	for (int i = 0; i < pool->most && own(pool); i++) {
		struct dc_place *place = &pool->places[i];
		int fd = hold(place);
		struct dc_connection kept;

		if (fd == NONE)
			continue;
		kept = connection_at(place, fd);
		dc_connection_end(&kept);
		atomic_store(&place->fd, NONE);
	}
}
