/* Operations against dc_client or dc_server. usage: roundtrip all|short-lived|raised|disconnected target */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "check.h"
#include "distcache/dc_client.h"

enum { THREADS = 8, ROUNDS = 60 };

static const char *target;
static unsigned int flags;

static DC_CTX *open_context(void)
{
	DC_CTX *ctx = DC_CTX_new(target, flags);

	REQUIRE(ctx);
	return ctx;
}

/* make_id writes an ID that no other run and no other call has. */
static void make_id(unsigned char *id, unsigned int id_len)
{
	static uint64_t state;
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&lock);
	if (state == 0)
		state = check_seed();
	for (unsigned int i = 0; i < id_len; i++)
		id[i] = (unsigned char)check_random(&state);
	pthread_mutex_unlock(&lock);
}

/* live takes one session through its life and returns how much went wrong. */
static int live(DC_CTX *ctx, unsigned int id_len, unsigned int size)
{
	unsigned char id[64], *data = malloc(size), *store = malloc(size);
	unsigned int used = 0;
	int wrong = 0;

	REQUIRE(data && store);
	make_id(id, id_len);
	for (unsigned int i = 0; i < size; i++)
		data[i] = (unsigned char)(i * 7 + i / 256 + id[0]);
	wrong += DC_CTX_has_session(ctx, id, id_len) != 0;
	wrong += DC_CTX_add_session(ctx, id, id_len, data, size, 60000) != 1;
	wrong += DC_CTX_add_session(ctx, id, id_len, data, size, 60000) != 0 || errno != EEXIST;
	wrong += DC_CTX_has_session(ctx, id, id_len) != 1;
	wrong += DC_CTX_get_session(ctx, id, id_len, NULL, 0, &used) != 1 || used != size;
	wrong += DC_CTX_reget_session(ctx, id, id_len, store, size, &used) != 1 || used != size ||
	         memcmp(store, data, size) != 0;
	wrong += DC_CTX_remove_session(ctx, id, id_len) != 1;
	wrong += DC_CTX_get_session(ctx, id, id_len, store, size, &used) != 0 || errno != ENOENT;
	wrong += DC_CTX_remove_session(ctx, id, id_len) != 0 || errno != ENOENT;
	free(data);
	free(store);
	return wrong;
}

static void test_sizes(void)
{
	/* TLS sessions, the greatest that mod_ssl takes, the ends of frames, and the greatest of all. */
	static const unsigned int sizes[] = {5, 126, 172, 2007, 2008, 2009, 2020, 2021, 2022, 2023, 2024, 2047, 2048,
	                                     2049, 4069, 4070, 4071, 4072, 10240, 32695, 32696};
	DC_CTX *ctx = open_context();

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		char name[40];

		snprintf(name, sizeof name, "a session of %u", sizes[i]);
		CHECK_INT(name, live(ctx, 32, sizes[i]), 0);
		CHECK_INT(name, live(ctx, 64, sizes[i]), 0);
		CHECK_INT(name, live(ctx, 8, sizes[i]), 0);
	}
	DC_CTX_free(ctx);
}

static void *live_often(void *arg)
{
	long wrong = 0;

	for (unsigned int i = 0; i < ROUNDS; i++)
		wrong += live(arg, 32, 100 + i * 40);
	return (void *)wrong;
}

static void test_threads(void)
{
	DC_CTX *ctx = open_context();
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, live_often, ctx) == 0);
	for (int i = 0; i < THREADS; i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		CHECK_INT("wrong", (long)wrong, 0);
	}
	DC_CTX_free(ctx);
}

/* has_after adds a session of 100 ms, waits 400, and returns whether it is there. */
static int has_after(void)
{
	struct timespec wait = {.tv_nsec = 400000000};
	DC_CTX *ctx = open_context();
	unsigned char id[32];
	int has;

	make_id(id, sizeof id);
	CHECK_INT("add", DC_CTX_add_session(ctx, id, sizeof id, id, sizeof id, 100), 1);
	nanosleep(&wait, NULL);
	has = DC_CTX_has_session(ctx, id, sizeof id);
	DC_CTX_free(ctx);
	return has;
}

static void test_short_lived(void)
{
	CHECK_INT("has", has_after(), 0);
}

static void test_raised(void)
{
	CHECK_INT("has", has_after(), 1);
}

static void test_disconnected(void)
{
	DC_CTX *ctx = open_context();
	unsigned char id[32];
	unsigned int used;
	long start;

	make_id(id, sizeof id);
	DC_CTX_has_session(ctx, id, sizeof id); /* dc_client may notice by this one only */
	start = check_now();
	CHECK_INT("has", DC_CTX_has_session(ctx, id, sizeof id), -1);
	CHECK_INT("errno", errno, ENOTCONN);
	CHECK_INT("get", DC_CTX_get_session(ctx, id, sizeof id, NULL, 0, &used), 0);
	CHECK_INT("errno", errno, ENOTCONN);
	CHECK_INT("add", DC_CTX_add_session(ctx, id, sizeof id, id, sizeof id, 1000), 0);
	CHECK_INT("errno", errno, ENOTCONN);
	CHECK_RANGE("milliseconds", check_now() - start, 0, 1000);
	DC_CTX_free(ctx);
}

/* test_many: the caller counts the connections. */
static void test_many(void)
{
	DC_CTX *ctx = open_context();
	unsigned char id[32];
	int wrong = 0;

	make_id(id, sizeof id);
	for (int i = 0; i < 10000; i++)
		wrong += DC_CTX_has_session(ctx, id, sizeof id) != 0;
	CHECK_INT("wrong", wrong, 0);
	DC_CTX_free(ctx);
}

/* test_restarted: between the first operation and the others the caller ends dc_client and starts another one. */
static void test_restarted(void)
{
	DC_CTX *ctx = open_context();
	unsigned char id[32];
	unsigned int used;

	make_id(id, sizeof id);
	CHECK_INT("before", DC_CTX_has_session(ctx, id, sizeof id), 0);
	printf("asked\n");
	fflush(stdout);
	REQUIRE(getchar() != EOF);
	CHECK_INT("add", DC_CTX_add_session(ctx, id, sizeof id, id, sizeof id, 10000), 1);
	CHECK_INT("get", DC_CTX_get_session(ctx, id, sizeof id, NULL, 0, &used), 1);
	CHECK_INT("remove", DC_CTX_remove_session(ctx, id, sizeof id), 1);
	DC_CTX_free(ctx);
}

int main(int argc, char **argv)
{
	REQUIRE(argc == 3);
	target = argv[2];
	for (flags = 0; flags <= 5; flags += 5) {
		if (strcmp(argv[1], "all") == 0) {
			RUN(test_sizes);
			RUN(test_threads);
		} else if (strcmp(argv[1], "short-lived") == 0) {
			RUN(test_short_lived);
		} else if (strcmp(argv[1], "raised") == 0) {
			RUN(test_raised);
		} else if (strcmp(argv[1], "many") == 0) {
			RUN(test_many);
		} else if (strcmp(argv[1], "restarted") == 0) {
			RUN(test_restarted);
		} else {
			RUN(test_disconnected);
		}
	}
	return check_summary();
}
