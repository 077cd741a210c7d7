/* The time by which an operation must end. */
#ifndef DC_DEADLINE_H
#define DC_DEADLINE_H

#include <stdint.h>

/* Milliseconds on the monotonic clock. */
typedef int64_t dc_deadline;

dc_deadline dc_deadline_in(int msecs);

/* dc_deadline_left returns the milliseconds that are left, rounded up; 0 if the time is over. */
int dc_deadline_left(dc_deadline deadline);

#endif
