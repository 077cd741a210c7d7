/* What httpd's calls of libdistcache cost, for bench.sh.
 *
 * As calls.so in LD_PRELOAD it stands before the library, and writes to the file $DISTCACHE_CALLS what each call took: CPU
 * of the thread, and time. All processes of an httpd share the file: they inherit its mapping.
 *
 *   calls FILE   prints the figures of the calls since the last time, in microseconds */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1 << 18 }; /* calls between two looks; later ones are counted and their times are lost */

static struct calls {
	atomic_ulong count, cpu; /* calls; nanoseconds */
	unsigned int times[MOST]; /* nanoseconds */
} *calls;

static void map(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, sizeof *calls) < 0)
		return;
	calls = mmap(NULL, sizeof *calls, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (calls == MAP_FAILED)
		calls = NULL;
	close(fd);
}

__attribute__((constructor)) static void begin(void)
{
	if (getenv("DISTCACHE_CALLS"))
		map(getenv("DISTCACHE_CALLS"));
}

static unsigned long now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (unsigned long)time.tv_sec * 1000000000 + (unsigned long)time.tv_nsec;
}

/* One call under way. */
struct stopwatch {
	unsigned long cpu, time;
};

static struct stopwatch start(void)
{
	return (struct stopwatch){.cpu = now(CLOCK_THREAD_CPUTIME_ID), .time = now(CLOCK_MONOTONIC)};
}

static void stop(struct stopwatch begun)
{
	unsigned long took = now(CLOCK_MONOTONIC) - begun.time, at;

	if (!calls)
		return;
	at = calls->count++;
	calls->cpu += now(CLOCK_THREAD_CPUTIME_ID) - begun.cpu;
	if (at < MOST)
		calls->times[at] = (unsigned int)took;
}

/* MEASURED defines a call that measures the one of the library. */
#define MEASURED(name, parameters, arguments)                                  \
	int name parameters                                                    \
	{                                                                      \
		static int (*_Atomic real) parameters;                         \
		struct stopwatch begun;                                        \
		int result;                                                    \
                                                                               \
		if (!real)                                                     \
			real = (int (*) parameters)dlsym(RTLD_NEXT, #name);    \
		begun = start();                                               \
		result = real arguments;                                       \
		stop(begun);                                                   \
		return result;                                                 \
	}

MEASURED(DC_CTX_add_session, (void *ctx, const unsigned char *id, unsigned int id_len, const unsigned char *data,
                              unsigned int data_len, unsigned long timeout), (ctx, id, id_len, data, data_len, timeout))
MEASURED(DC_CTX_get_session, (void *ctx, const unsigned char *id, unsigned int id_len, unsigned char *store,
                              unsigned int size, unsigned int *used), (ctx, id, id_len, store, size, used))
MEASURED(DC_CTX_remove_session, (void *ctx, const unsigned char *id, unsigned int id_len), (ctx, id, id_len))

static int by_size(const void *a, const void *b)
{
	unsigned int first = *(const unsigned int *)a, second = *(const unsigned int *)b;

	return (first > second) - (first < second);
}

int main(int argc, char **argv)
{
	unsigned long count;

	if (argc == 2)
		map(argv[1]);
	if (!calls) {
		fprintf(stderr, "usage: see the head of calls.c\n");
		return 2;
	}
	count = calls->count < MOST ? calls->count : MOST;
	qsort(calls->times, count, sizeof calls->times[0], by_size);
	printf("calls=%lu cpu=%.1f p50=%.1f p99=%.1f\n", (unsigned long)calls->count, (double)calls->cpu / 1e3,
	       count ? calls->times[count / 2] / 1e3 : 0, count ? calls->times[count * 99 / 100] / 1e3 : 0);
	calls->count = 0;
	calls->cpu = 0;
	return 0;
}
