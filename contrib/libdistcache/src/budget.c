#include "budget.h"

#include <stdlib.h>

enum { DEFAULT_MSECS = 2000, MAX_MSECS = 3600000 };

/* parse returns the number in text, 1 to MAX_MSECS and digits only, or 0 if text is not such a number. */
static int parse(const char *text)
{
	int value = 0;

	for (; *text >= '0' && *text <= '9'; text++) {
		value = value * 10 + (*text - '0');
		if (value > MAX_MSECS)
			return 0;
	}
	return *text == '\0' ? value : 0;
}

/* A bad value is ignored: a library has no place to report it, and TLS must work. */
int dc_budget_msecs(void)
{
	const char *text = secure_getenv("DISTCACHE_TIMEOUT_MSECS");
	int msecs = text ? parse(text) : 0;

	return msecs > 0 ? msecs : DEFAULT_MSECS;
}
