#include "deadline.h"

#include <limits.h>
#include <time.h>

static int64_t now_microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

dc_deadline dc_deadline_in(int msecs)
{
	return (now_microseconds() + 999) / 1000 + msecs;
}

int dc_deadline_left(dc_deadline deadline)
{
	int64_t left = (deadline * 1000 - now_microseconds() + 999) / 1000;

	if (left < 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}
