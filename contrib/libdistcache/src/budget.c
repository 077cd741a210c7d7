#include "budget.h"

#include <stdlib.h>

enum { DEFAULT_BUDGET_MSECS = 2000, DEFAULT_KEEP_MSECS = 1000, MAX_MSECS = 3600000 };

/* parse returns the number in text, 0 to MAX_MSECS and digits only, or -1 if text is not such a number. */
static int parse(const char *text)
{
	const char *at = text;
	int value = 0;

	for (; *at >= '0' && *at <= '9'; at++) {
		value = value * 10 + (*at - '0');
		if (value > MAX_MSECS)
			return -1;
	}
	return *at == '\0' && at > text ? value : -1;
}

/* of_environment ignores a bad value: a library has no place to report it, and TLS must work. */
static int of_environment(const char *name, int least, int otherwise)
{
	const char *text = secure_getenv(name);
	int msecs = text ? parse(text) : -1;

	return msecs >= least ? msecs : otherwise;
}

int dc_budget_msecs(void)
{
	return of_environment("DISTCACHE_TIMEOUT_MSECS", 1, DEFAULT_BUDGET_MSECS);
}

int dc_keep_msecs(void)
{
	return of_environment("DISTCACHE_KEEP_MSECS", 0, DEFAULT_KEEP_MSECS);
}
