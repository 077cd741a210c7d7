/* Connections that operations opened for themselves, and that are kept for a while all the same. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "check.h"
#include "distcache/dc_client.h"

enum { MOST = 8, THREADS = 20, ADD = 0, GET, REMOVE, HAVE };

static const unsigned char held[32] = "0", unknown[32] = "1";

static int has(DC_CTX *ctx)
{
	return DC_CTX_has_session(ctx, held, sizeof held);
}

/* new_context makes one with DISTCACHE_KEEP_MSECS; NULL: it is not set. */
static DC_CTX *new_context(const struct agent *agent, const char *keep)
{
	DC_CTX *ctx;

	if (keep)
		setenv("DISTCACHE_KEEP_MSECS", keep, 1);
	ctx = DC_CTX_new(agent_target(agent), 0);
	unsetenv("DISTCACHE_KEEP_MSECS");
	REQUIRE(ctx);
	return ctx;
}

static void pause_msecs(int msecs)
{
	nanosleep(&(struct timespec){.tv_sec = msecs / 1000, .tv_nsec = msecs % 1000 * 1000000L}, NULL);
}

static void test_switch(void)
{
	static const struct {
		const char *keep;
		int operations, least, most; /* connections; two where this program may be held up for over a second */
	} rows[] = {
		{"3600000", 10000, 1, 1}, {"0", 50, 50, 50}, {"00", 50, 50, 50}, {"", 4, 1, 2}, {"-1", 4, 1, 2}, {"1s", 4, 1, 2}, {NULL, 4, 1, 2},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct agent *agent = agent_start(agent_cache, NULL);
		DC_CTX *ctx = new_context(agent, rows[i].keep);
		int wrong = 0;

		for (int n = 0; n < rows[i].operations; n++)
			wrong += has(ctx) != 1;
		CHECK_INT("wrong answers", wrong, 0);
		CHECK_RANGE(rows[i].keep ? rows[i].keep : "not set", agent_count(agent), rows[i].least, rows[i].most);
		DC_CTX_free(ctx);
		agent_stop(agent);
	}
}

static int one_is_open(void *agent)
{
	return agent_open(agent) == 1;
}

/* test_expires: a connection that was not used for too long is not used again. */
static void test_expires(void)
{
	struct agent *agent = agent_start(agent_cache, NULL);
	DC_CTX *ctx = new_context(agent, "20");

	CHECK_INT("first", has(ctx), 1);
	pause_msecs(25);
	CHECK_INT("second", has(ctx), 1);
	CHECK_INT("connections", agent_count(agent), 2);
	CHECK_INT("the first is closed", check_until(one_is_open, agent), 1);
	DC_CTX_free(ctx);
	agent_stop(agent);
}

/* together answers when THREADS requests are there, so that as many connections are in use at once. */
static void together(struct agent_connection *connection)
{
	struct agent_request *request = malloc(sizeof *request);
	atomic_int *came = connection->arg;

	while (agent_read(connection, request)) {
		++*came;
		while (*came < THREADS)
			pause_msecs(1);
		agent_status(connection, request, 0);
	}
	free(request);
}

static void *ask_once(void *ctx)
{
	return has(ctx) == 1 ? NULL : ctx;
}

static int few_are_open(void *agent)
{
	return agent_open(agent) <= MOST;
}

static void run_threads(DC_CTX *ctx, int count)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < count; i++)
		REQUIRE(pthread_create(&threads[i], NULL, ask_once, ctx) == 0);
	for (int i = 0; i < count; i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		CHECK_INT("answered", wrong == NULL, 1);
	}
}

/* test_threads: a few connections of many threads are kept, and outlive the threads; the next operation closes
 * those that have become too old. */
static void test_threads(void)
{
	atomic_int came = 0;
	struct agent *agent = agent_start(together, &came);
	DC_CTX *ctx = new_context(agent, "3600000"), *brief;

	run_threads(ctx, THREADS);
	CHECK_INT("kept", check_until(few_are_open, agent), 1);
	CHECK_INT("connections", agent_count(agent), THREADS);
	for (int i = 0; i < 10; i++)
		run_threads(ctx, 1);
	CHECK_INT("connections", agent_count(agent), THREADS);

	came = 0;
	brief = new_context(agent, "50");
	run_threads(brief, THREADS);
	DC_CTX_free(ctx);
	pause_msecs(60);
	CHECK_INT("has", has(brief), 1);
	CHECK_INT("the old ones are closed", check_until(one_is_open, agent), 1);
	DC_CTX_free(brief);
	agent_stop(agent);
}

/* How an agent ends a connection after its first answer. */
enum ending {
	WHILE_IDLE, /* before it is used again */
	REFUSING, /* it has shut down its side for reading, as dc_client does before it closes */
	UNREAD, /* with the next request there and not read */
	UNANSWERED, /* with the next request read */
	HALF_ANSWERED
};

struct ends {
	enum ending ending;
	atomic_int requests; /* that it has read */
};

static void end(struct agent_connection *connection, struct ends *ends, struct agent_request *request)
{
	struct pollfd waiting = {.fd = connection->fd, .events = POLLIN};
	unsigned char wire[64];

	switch (ends->ending) {
	case WHILE_IDLE:
		return;
	case REFUSING:
		shutdown(connection->fd, SHUT_RD);
		pause_msecs(100); /* closed then, at the latest when the client has left */
		return;
	case UNREAD:
		poll(&waiting, 1, -1);
		return;
	default:
		ends->requests += agent_read(connection, request);
		if (ends->ending == HALF_ANSWERED)
			agent_write(connection, wire, agent_encode(wire, request, "\0", 1) - 1, sizeof wire);
	}
}

/* ends_first answers once on its first connection and ends it; later ones are of agent_cache. */
static void ends_first(struct agent_connection *connection)
{
	struct agent_request *request = malloc(sizeof *request);
	struct ends *ends = connection->arg;

	if (connection->number > 1) {
		while (agent_read(connection, request)) {
			ends->requests++;
			agent_status(connection, request, request->op == GET);
		}
	} else if (agent_read(connection, request)) {
		agent_status(connection, request, 0);
		end(connection, ends, request);
	}
	free(request);
}

/* operate does one operation, and returns whether it got what ends_first answers. */
static bool operate(DC_CTX *ctx, int op)
{
	unsigned int used;

	switch (op) {
	case ADD:
		return DC_CTX_add_session(ctx, unknown, sizeof unknown, held, sizeof held, 1000) == 1;
	case GET:
		return DC_CTX_get_session(ctx, held, sizeof held, NULL, 0, &used) == 0 && errno == ENOENT;
	case REMOVE:
		return DC_CTX_remove_session(ctx, held, sizeof held) == 1;
	default:
		return has(ctx) == 1;
	}
}

static int none_is_open(void *agent)
{
	return agent_open(agent) == 0;
}

/* test_dropped: an operation is repeated when the agent cannot have carried it out, or when it changes nothing. An add
 * or a remove that the agent may have carried out fails, as on a new connection. */
static void test_dropped(void)
{
	static const char *const endings[] = {"while idle", "refusing", "unread", "unanswered", "half answered"};
	static const char *const operations[] = {"add", "get", "remove", "have"};

	for (int ending = WHILE_IDLE; ending <= HALF_ANSWERED; ending++) {
		for (int op = ADD; op <= HAVE; op++) {
			struct ends ends = {.ending = (enum ending)ending};
			struct agent *agent = agent_start(ends_first, &ends);
			DC_CTX *ctx = new_context(agent, "3600000");
			bool unsure = ending >= UNANSWERED && (op == ADD || op == REMOVE);
			char name[64];

			snprintf(name, sizeof name, "%s, %s", endings[ending], operations[op]);
			CHECK_INT(name, has(ctx), 1);
			if (ending == WHILE_IDLE)
				CHECK_INT(name, check_until(none_is_open, agent), 1);
			if (ending == REFUSING)
				pause_msecs(20);
			errno = 0;
			CHECK_INT(name, operate(ctx, op), !unsure);
			if (unsure)
				CHECK_INT(name, errno, ECONNRESET);
			CHECK_INT(name, ends.requests, ending >= UNANSWERED && !unsure ? 2 : 1);
			DC_CTX_free(ctx);
			agent_stop(agent);
		}
	}
}

/* drop_all answers once in all, and drops every connection. */
static void drop_all(struct agent_connection *connection)
{
	struct agent_request *request = malloc(sizeof *request);

	if (agent_read(connection, request) && connection->number == 1) {
		agent_status(connection, request, 0);
		agent_read(connection, request);
	}
	free(request);
}

/* test_dropped_twice: an operation is repeated once. */
static void test_dropped_twice(void)
{
	struct agent *agent = agent_start(drop_all, NULL);
	DC_CTX *ctx = new_context(agent, NULL);

	CHECK_INT("first", has(ctx), 1);
	CHECK_INT("second", has(ctx), -1);
	CHECK_INT("errno", errno, ECONNRESET);
	CHECK_INT("connections", agent_count(agent), 2);
	DC_CTX_free(ctx);
	agent_stop(agent);
}

/* next_descriptor returns the number that the next file gets. */
static int next_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	REQUIRE(fd >= 0);
	close(fd);
	return fd;
}

/* test_strange_descriptor: the program closes the descriptor, as a loop over all of them does, and the number becomes
 * another file's, which the library neither writes to nor closes. */
static void test_strange_descriptor(void)
{
	static const unsigned int flags[] = {0, DC_CTX_FLAG_PERSISTENT};

	for (int n = 0; n < 6; n++) {
		struct agent *agent = agent_start(agent_cache, NULL);
		int number = next_descriptor(), pair[2], file = open("/dev/zero", O_RDWR | O_CLOEXEC);
		DC_CTX *ctx;
		char byte;

		REQUIRE(file > number - 1 && dup2(file, number + 50) >= 0 && close(file) == 0);
		ctx = DC_CTX_new(agent_target(agent), flags[n / 3]);
		CHECK_INT("before", has(ctx), 1);
		CHECK_INT("close-on-exec", fcntl(number, F_GETFD), FD_CLOEXEC);
		REQUIRE(close(number) == 0);
		REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
		if (n % 3 == 0) { /* another socket */
			REQUIRE(pair[0] == number || dup2(pair[0], number) == number);
		} else if (n % 3 == 1) { /* no socket at all */
			REQUIRE(pair[0] != number || (pair[0] = dup(pair[0])) >= 0);
			REQUIRE(dup2(number + 50, number) == number);
		} else if (pair[0] == number) { /* closed, and none in its place */
			REQUIRE((pair[0] = dup(pair[0])) >= 0 && close(number) == 0);
		}
		CHECK_INT("afterwards", has(ctx), 1);
		CHECK_INT("connections", agent_count(agent), 2);
		CHECK_INT("written to it", recv(pair[1], &byte, 1, MSG_DONTWAIT), -1);
		CHECK_INT("errno", errno, EAGAIN);
		DC_CTX_free(ctx);
		if (n % 3 < 2)
			CHECK_INT("it is still open", fcntl(number, F_GETFD) >= 0, 1);
		close(pair[0]);
		close(pair[1]);
		close(number);
		close(number + 50);
		agent_stop(agent);
	}
}

int main(void)
{
	RUN(test_switch);
	RUN(test_expires);
	RUN(test_threads);
	RUN(test_dropped);
	RUN(test_dropped_twice);
	RUN(test_strange_descriptor);
	return check_summary();
}
