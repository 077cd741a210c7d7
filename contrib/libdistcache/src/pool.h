/* The idle connections of a context.
 *
 *     thread A ── take ──▶ connection 1 ── ask, answer ── give ──▶ ┌──────┐
 *     thread B ── take ──▶ connection 2 ── ask, answer ── give ──▶ │ pool │
 *     thread C ── take ──▶ none there: opens connection 3 … give ▶ └──────┘
 *
 * One thread at a time uses a connection, so no thread waits for the answer of another, and there are as
 * many connections as operations under way. A thread has one at most, and none while it does something else. No
 * call waits for another thread: there is no lock that a fork could leave locked in the child. */
#ifndef DC_POOL_H
#define DC_POOL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "connection.h"
#include "deadline.h"

/* More idle connections than this are closed instead of kept. */
enum { DC_MAX_IDLE = 64 };

/* One idle connection. The thread that changes fd to “held” has the other members to itself until it changes
 * fd again. */
struct dc_place {
	atomic_int fd; /* -1: none; -2: held */
	dev_t device;
	ino_t inode;
	dc_deadline until; /* when it is too old */
};

struct dc_pool {
	int most;                /* idle connections; 0: none is kept */
	int keep_msecs;          /* after the last use; 0: for ever */
	_Atomic unsigned long owner; /* dc_epoch of the process whose connections these are, or of that which takes over */
	struct dc_place places[DC_MAX_IDLE];
};

/* dc_pool_init makes a pool of at most most idle connections, up to DC_MAX_IDLE. They are used for keep_msecs
 * milliseconds after their last use, or for ever if that is 0. */
void dc_pool_init(struct dc_pool *pool, int most, int keep_msecs);

/* dc_pool_take moves an idle connection that is open and has nothing to read to connection, or returns false. It
 * closes those that are too old, that the other side closed, that sent unsolicited bytes, or that belong to
 * the parent of a fork. A descriptor that the program has closed is only forgotten. */
bool dc_pool_take(struct dc_pool *pool, struct dc_connection *connection);

/* dc_pool_give keeps a connection on which no answer is outstanding, or closes it if the pool is full. */
void dc_pool_give(struct dc_pool *pool, const struct dc_connection *connection);

/* dc_pool_empty closes the idle connections. */
void dc_pool_empty(struct dc_pool *pool);

#endif
