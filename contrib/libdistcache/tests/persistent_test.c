/* Connections that are kept: when they are used again, replaced, tried again, and not. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "agent.h"
#include "check.h"
#include "distcache/dc_client.h"

enum {
	PERSISTENT = DC_CTX_FLAG_PERSISTENT,
	RETRY = DC_CTX_FLAG_PERSISTENT | DC_CTX_FLAG_PERSISTENT_RETRY,
	LATE = DC_CTX_FLAG_PERSISTENT | DC_CTX_FLAG_PERSISTENT_LATE,
};

static const unsigned char held[32] = "0";

static int has(DC_CTX *ctx)
{
	return DC_CTX_has_session(ctx, held, sizeof held);
}

static void test_one_connection(void)
{
	static const struct {
		const char *name;
		unsigned int flags;
		int at_new, in_all;
	} rows[] = {
		{"temporary", 0, 0, 1},
		{"temporary, though the other flags are there", 0x000e, 0, 1},
		{"persistent", PERSISTENT, 1, 1},
		{"late", LATE, 0, 1},
		{"all flags", 0x000f, 0, 1},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct agent *agent = agent_start(agent_cache, NULL);
		DC_CTX *ctx = DC_CTX_new(agent_target(agent), rows[i].flags);

		if (rows[i].at_new == 0)
			CHECK_INT(rows[i].name, agent_count(agent), 0);
		for (int n = 0; n < 100; n++)
			CHECK_INT(rows[i].name, has(ctx), 1);
		CHECK_INT(rows[i].name, agent_count(agent), rows[i].in_all);
		DC_CTX_free(ctx);
		agent_stop(agent);
	}
}

static int one_is_there(void *agent)
{
	return agent_count(agent) == 1;
}

static void test_new_connects(void)
{
	struct agent *agent = agent_start(agent_cache, NULL);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), PERSISTENT);

	CHECK_INT("a connection before the first operation", check_until(one_is_there, agent), 1);
	DC_CTX_free(ctx);
	agent_stop(agent);

	CHECK_INT("no agent", DC_CTX_new("UNIX:/tmp/dc-no-listener-here", PERSISTENT) == NULL, 1);
	CHECK_INT("errno", errno, ENOENT);
	ctx = DC_CTX_new("UNIX:/tmp/dc-no-listener-here", LATE);
	REQUIRE(ctx);
	CHECK_INT("late, no agent", has(ctx), -1);
	CHECK_INT("errno", errno, ENOENT);
	DC_CTX_free(ctx);
}

struct drops {
	atomic_int after; /* how many answers a connection gives */
	int reads; /* whether it then reads one more request before it closes */
	int from; /* connections with this number and later ones do not drop */
};

static void drop(struct agent_connection *connection)
{
	struct agent_request *request = malloc(sizeof *request);
	struct drops *drops = connection->arg;

	for (int n = 0; n < drops->after && agent_read(connection, request); n++)
		agent_status(connection, request, 0);
	if (connection->number >= drops->from)
		agent_cache(connection);
	else if (drops->reads)
		agent_read(connection, request);
	free(request);
}

static int none_is_open(void *agent)
{
	return agent_open(agent) == 0;
}

/* test_dropped_while_idle: nothing was sent yet, so every persistent context goes on over a new connection. */
static void test_dropped_while_idle(void)
{
	static const unsigned int flags[] = {PERSISTENT, RETRY, LATE};

	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		struct drops drops = {.after = 1, .from = 2};
		struct agent *agent = agent_start(drop, &drops);
		DC_CTX *ctx = DC_CTX_new(agent_target(agent), flags[i]);

		CHECK_INT("first", has(ctx), 1);
		CHECK_INT("closed", check_until(none_is_open, agent), 1);
		CHECK_INT("second", has(ctx), 1);
		CHECK_INT("connections", agent_count(agent), 2);
		DC_CTX_free(ctx);
		agent_stop(agent);
	}
}

/* test_dropped_under_way: the request was read, then the connection closed. */
static void test_dropped_under_way(void)
{
	static const struct {
		const char *name;
		unsigned int flags;
		int from, want, connections;
	} rows[] = {
		{"without RETRY", PERSISTENT, 2, -1, 1},
		{"with RETRY", RETRY, 2, 1, 2},
		{"with RETRY, dropped again", RETRY, 100, -1, 2},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct drops drops = {.after = 1, .reads = 1, .from = rows[i].from};
		struct agent *agent = agent_start(drop, &drops);
		DC_CTX *ctx = DC_CTX_new(agent_target(agent), rows[i].flags);

		CHECK_INT(rows[i].name, has(ctx), 1);
		if (rows[i].from == 100)
			drops.after = 0;
		errno = 0;
		CHECK_INT(rows[i].name, has(ctx), rows[i].want);
		if (rows[i].want < 0)
			CHECK_INT(rows[i].name, errno, ECONNRESET);
		CHECK_INT(rows[i].name, agent_count(agent), rows[i].connections);
		DC_CTX_free(ctx);
		agent_stop(agent);
	}
}

/* test_new_is_not_retried: an agent that drops every connection is asked once by each operation. */
static void test_new_is_not_retried(void)
{
	struct drops drops = {.after = 0, .reads = 1, .from = 100};
	struct agent *agent = agent_start(drop, &drops);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), RETRY | LATE);

	for (int n = 1; n <= 5; n++) {
		CHECK_INT("has", has(ctx), -1);
		CHECK_INT("connections", agent_count(agent), n);
	}
	DC_CTX_free(ctx);
	agent_stop(agent);
}

/* falls_silent answers once on each connection and never again. */
static void falls_silent(struct agent_connection *connection)
{
	struct agent_request *request = malloc(sizeof *request);

	if (agent_read(connection, request))
		agent_status(connection, request, 0);
	agent_wait(connection);
	free(request);
}

static int has_it(void *ctx)
{
	return has(ctx) == 1;
}

static void test_silence_is_not_retried(void)
{
	struct agent *agent = agent_start(falls_silent, NULL);
	DC_CTX *ctx;
	long start;

	setenv("DISTCACHE_TIMEOUT_MSECS", "150", 1);
	ctx = DC_CTX_new(agent_target(agent), RETRY);
	unsetenv("DISTCACHE_TIMEOUT_MSECS");
	CHECK_INT("first", has(ctx), 1);
	start = check_now();
	CHECK_INT("second", has(ctx), -1);
	CHECK_INT("errno", errno, ETIMEDOUT);
	CHECK_RANGE("milliseconds", check_now() - start, 150, 1500);
	CHECK_INT("connections", agent_count(agent), 1);
	/* The late answer, if it came, would come on a connection that is closed. */
	CHECK_INT("third, after the pause", check_until(has_it, ctx), 1);
	CHECK_INT("connections", agent_count(agent), 2);
	DC_CTX_free(ctx);
	agent_stop(agent);
}

/* says_more answers each request and then says it again. */
static void says_more(struct agent_connection *connection)
{
	struct agent_request *request = malloc(sizeof *request);
	unsigned char twice[64];
	size_t length;

	while (agent_read(connection, request)) {
		length = agent_encode(twice, request, "\0", 1);
		length += agent_encode(twice + length, request, "\1", 1);
		agent_write(connection, twice, length, sizeof twice);
	}
	free(request);
}

static void test_surplus(void)
{
	struct agent *agent = agent_start(says_more, NULL);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), RETRY);

	for (int n = 1; n <= 10; n++) {
		CHECK_INT("has", has(ctx), 1);
		CHECK_INT("connections", agent_count(agent), n);
	}
	DC_CTX_free(ctx);
	agent_stop(agent);
}

/* wrong answers its first connection with another uid. */
static void wrong(struct agent_connection *connection)
{
	struct agent_request *request = malloc(sizeof *request);

	while (agent_read(connection, request)) {
		request->uid += connection->number == 1;
		agent_status(connection, request, 0);
	}
	free(request);
}

static void test_corrupt_is_closed(void)
{
	struct agent *agent = agent_start(wrong, NULL);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), RETRY);

	CHECK_INT("another's answer", has(ctx), -1);
	CHECK_INT("errno", errno, EPROTO);
	CHECK_INT("over a new connection", has(ctx), 1);
	CHECK_INT("connections", agent_count(agent), 2);
	DC_CTX_free(ctx);
	agent_stop(agent);
}

/* empty answers as an old dc_client without its server does. */
static void empty(struct agent_connection *connection)
{
	struct agent_request *request = malloc(sizeof *request);

	while (agent_read(connection, request))
		agent_answer(connection, request, "", 0);
	free(request);
}

static void test_empty_answers(void)
{
	struct agent *agent = agent_start(empty, NULL);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), PERSISTENT);

	for (int n = 0; n < 5; n++) {
		CHECK_INT("has", has(ctx), -1);
		CHECK_INT("errno", errno, ENOTCONN);
	}
	CHECK_INT("connections", agent_count(agent), 1);
	DC_CTX_free(ctx);
	agent_stop(agent);
}

int main(void)
{
	setenv("DISTCACHE_KEEP_MSECS", "3600000", 1);
	RUN(test_one_connection);
	RUN(test_new_connects);
	RUN(test_dropped_while_idle);
	RUN(test_dropped_under_way);
	RUN(test_new_is_not_retried);
	RUN(test_silence_is_not_retried);
	RUN(test_surplus);
	RUN(test_corrupt_is_closed);
	RUN(test_empty_answers);
	return check_summary();
}
