#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_int failures;
static const char *running = "";

static void fail(const char *file, int line, const char *name)
{
	failures++;
	fprintf(stderr, "%s:%d: %s: %s: ", file, line, running, name);
}

void check_run(const char *name, void (*test)(void))
{
	int before = failures;
	int descriptors = check_descriptors();
	long start = check_now();

	running = name;
	test();
	CHECK_INT("open descriptors afterwards", check_descriptors(), descriptors);
	printf("%s %s (%ld ms)\n", failures == before ? "ok  " : "FAIL", name, check_now() - start);
	fflush(stdout);
}

void check_int(const char *file, int line, const char *name, long got, long want)
{
	if (got == want)
		return;
	fail(file, line, name);
	fprintf(stderr, "got %ld, want %ld\n", got, want);
}

void check_range(const char *file, int line, const char *name, long got, long low, long high)
{
	if (got >= low && got <= high)
		return;
	fail(file, line, name);
	fprintf(stderr, "got %ld, want %ld to %ld\n", got, low, high);
}

void check_bytes(const char *file, int line, const char *name, const void *got, const void *want,
                 unsigned long size)
{
	if (size == 0 || memcmp(got, want, size) == 0)
		return;
	fail(file, line, name);
	fprintf(stderr, "the %lu bytes differ from what is wanted\n", size);
}

void check_require(const char *file, int line, const char *condition)
{
	fail(file, line, "cannot go on without");
	fprintf(stderr, "%s (%s)\n", condition, strerror(errno));
	_exit(1);
}

int check_failures(void)
{
	return failures;
}

int check_summary(void)
{
	if (failures > 0)
		fprintf(stderr, "%d checks failed\n", failures);
	return failures > 0;
}

long check_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int check_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	REQUIRE(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count - 3; /* . and .. and the directory itself */
}

int check_until(int (*test)(void *), void *arg)
{
	struct timespec pause = {.tv_nsec = 1000000};
	long end = check_now() + 5000;
	int said;

	while (!(said = test(arg)) && check_now() < end)
		nanosleep(&pause, NULL);
	return said;
}

uint64_t check_seed(void)
{
	const char *text = getenv("DC_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 10) : (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();

	printf("seed %llu (repeat with DC_SEED=%llu)\n", (unsigned long long)seed, (unsigned long long)seed);
	return seed;
}

/* splitmix64 */
uint64_t check_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}
