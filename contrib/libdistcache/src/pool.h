/* The idle connections of a persistent context.
 *
 *     thread A ── take ──▶ connection 1 ── ask, answer ── give ──▶ ┌──────┐
 *     thread B ── take ──▶ connection 2 ── ask, answer ── give ──▶ │ pool │
 *     thread C ── take ──▶ none there: opens connection 3 … give ▶ └──────┘
 *
 * One thread at a time uses a connection, so no thread waits for the answer of another, and there are as
 * many connections as operations under way. take and give are single atomic exchanges: there is no lock
 * that a fork could leave locked in the child. */
#ifndef DC_POOL_H
#define DC_POOL_H

#include <stdatomic.h>

/* More idle connections than this are closed instead of kept. */
enum { DC_MAX_IDLE = 64 };

struct dc_pool {
	atomic_ulong owner; /* dc_epoch of the process whose connections these are */
	atomic_int idle[DC_MAX_IDLE]; /* descriptors; -1: none */
};

void dc_pool_init(struct dc_pool *pool);

/* dc_pool_take returns an idle connection that is open and has nothing to read, or -1. It closes those that
 * the other side closed, that sent unsolicited bytes, or that belong to the parent of a fork. */
int dc_pool_take(struct dc_pool *pool);

/* dc_pool_give keeps fd, on which no answer is outstanding, or closes it if the pool is full. */
void dc_pool_give(struct dc_pool *pool, int fd);

/* dc_pool_empty closes the idle connections. */
void dc_pool_empty(struct dc_pool *pool);

#endif
