/* How long one operation may take. */
#ifndef DC_BUDGET_H
#define DC_BUDGET_H

/* dc_budget_msecs returns the milliseconds of DISTCACHE_TIMEOUT_MSECS, or else the default. */
int dc_budget_msecs(void);

#endif
