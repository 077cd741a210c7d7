/* The times that the environment sets. A program with raised privileges does not read it. */
#ifndef DC_BUDGET_H
#define DC_BUDGET_H

/* dc_budget_msecs returns how long one operation may take: the milliseconds of DISTCACHE_TIMEOUT_MSECS, or else
 * the default. */
int dc_budget_msecs(void);

/* dc_keep_msecs returns how long a connection is kept that an operation opened for itself: the milliseconds of
 * DISTCACHE_KEEP_MSECS, or else the default. 0: it is not kept. */
int dc_keep_msecs(void);

#endif
