/* Many threads, one context. Built with the thread sanitizer too. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent.h"
#include "check.h"
#include "distcache/dc_client.h"

enum { THREADS = 12, ROUNDS = 250, WAITERS = 16, ANSWER_MSECS = 100 };

struct worker {
	pthread_t thread;
	DC_CTX *ctx;
	uint64_t state;
	int wrong;
};

/* use_one asks all there is to ask about one session. */
static void use_one(struct worker *worker, unsigned char *store, unsigned char *want)
{
	unsigned char id[64];
	unsigned int id_len = 4 + (unsigned int)(check_random(&worker->state) % 61), used, short_size = 20;
	unsigned int length;

	for (unsigned int i = 0; i < id_len; i++)
		id[i] = (unsigned char)check_random(&worker->state);
	id[0] &= 0xfe; /* the cache holds it */
	length = (unsigned int)agent_session(id, id_len, want);
	worker->wrong += DC_CTX_get_session(worker->ctx, id, id_len, store, short_size, &used) != 1;
	worker->wrong += used != length || memcmp(store, want, length < short_size ? length : short_size) != 0;
	worker->wrong += DC_CTX_reget_session(worker->ctx, id, id_len, store, AGENT_MAX_PAYLOAD, &used) != 1;
	worker->wrong += used != length || memcmp(store, want, length) != 0;
	worker->wrong += DC_CTX_has_session(worker->ctx, id, id_len) != 1;
	worker->wrong += DC_CTX_add_session(worker->ctx, id, id_len, want, length < 30000 ? length : 30000, 1000) != 0;
	id[0] |= 1; /* the cache does not hold it */
	worker->wrong += DC_CTX_has_session(worker->ctx, id, id_len) != 0;
	worker->wrong += DC_CTX_remove_session(worker->ctx, id, id_len) != 0;
	worker->wrong += DC_CTX_get_session(worker->ctx, id, id_len, store, AGENT_MAX_PAYLOAD, &used) != 0;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	unsigned char *store = malloc(AGENT_MAX_PAYLOAD), *want = malloc(AGENT_MAX_PAYLOAD);

	REQUIRE(store && want);
	for (int i = 0; i < ROUNDS; i++)
		use_one(worker, store, want);
	free(store);
	free(want);
	return NULL;
}

static void share(unsigned int flags, int most_connections)
{
	struct agent *agent = agent_start(agent_cache, NULL);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), flags);
	struct worker workers[THREADS];
	uint64_t seed = check_seed();

	REQUIRE(ctx);
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.ctx = ctx, .state = seed + (uint64_t)i * 1000003};
		REQUIRE(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		CHECK_INT("wrong answers", workers[i].wrong, 0);
	}
	CHECK_RANGE("connections", agent_count(agent), 1, most_connections);
	DC_CTX_free(ctx);
	agent_stop(agent);
}

static void test_temporary(void)
{
	share(0, THREADS * ROUNDS * 7);
}

static void test_persistent(void)
{
	share(DC_CTX_FLAG_PERSISTENT | DC_CTX_FLAG_PERSISTENT_RETRY, THREADS);
}

/* slow answers after ANSWER_MSECS. */
static void slow(struct agent_connection *connection)
{
	struct timespec pause = {.tv_nsec = ANSWER_MSECS * 1000000L};
	struct agent_request *request = malloc(sizeof *request);

	while (agent_read(connection, request)) {
		nanosleep(&pause, NULL);
		agent_status(connection, request, 0);
	}
	free(request);
}

static void *wait_for_answer(void *arg)
{
	struct worker *worker = arg;
	static const unsigned char id[32] = "0";

	worker->wrong = DC_CTX_has_session(worker->ctx, id, sizeof id) != 1;
	return NULL;
}

/* test_no_thread_waits_for_another: one after the other they would need WAITERS * ANSWER_MSECS. */
static void test_no_thread_waits_for_another(void)
{
	static const unsigned int flags[] = {0, DC_CTX_FLAG_PERSISTENT};

	for (size_t n = 0; n < 2; n++) {
		struct agent *agent = agent_start(slow, NULL);
		DC_CTX *ctx = DC_CTX_new(agent_target(agent), flags[n]);
		struct worker workers[WAITERS];
		long start = check_now();

		for (int i = 0; i < WAITERS; i++) {
			workers[i].ctx = ctx;
			REQUIRE(pthread_create(&workers[i].thread, NULL, wait_for_answer, &workers[i]) == 0);
		}
		for (int i = 0; i < WAITERS; i++) {
			pthread_join(workers[i].thread, NULL);
			CHECK_INT("wrong", workers[i].wrong, 0);
		}
		CHECK_RANGE("milliseconds", check_now() - start, ANSWER_MSECS, WAITERS * ANSWER_MSECS / 2);
		DC_CTX_free(ctx);
		agent_stop(agent);
	}
}

int main(void)
{
	RUN(test_temporary);
	RUN(test_persistent);
	RUN(test_no_thread_waits_for_another);
	return check_summary();
}
