/* Every operation against an agent that does what it should not. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "check.h"
#include "distcache/dc_client.h"

enum op { ADD, GET, REMOVE, HAVE };

static const char *const op_names[] = {"add", "get", "remove", "has"};
static const unsigned char id[32] = "0123456789abcdef0123456789abcde";
static unsigned char store[AGENT_MAX_PAYLOAD];
static unsigned int used;

static int operate(DC_CTX *ctx, enum op op)
{
	static const unsigned char data[] = "a session to add";

	switch (op) {
	case ADD:
		return DC_CTX_add_session(ctx, id, sizeof id, data, sizeof data, 60000);
	case GET:
		return DC_CTX_get_session(ctx, id, sizeof id, store, sizeof store, &used);
	case REMOVE:
		return DC_CTX_remove_session(ctx, id, sizeof id);
	default:
		return DC_CTX_has_session(ctx, id, sizeof id);
	}
}

/* A fault: how the good answer to a request is changed. */
struct fault {
	const char *name;
	const char *payload; /* of a changed answer; NULL: the good one */
	size_t length;
	int at; /* this byte of the answer is changed, if not negative, */
	unsigned char to; /* to this */
	size_t chunk; /* bytes a write; 0: all at once */
	bool hangs; /* holds the connection open afterwards */
	int want_errno; /* 0: the operation succeeds */
	size_t cut; /* only so many bytes are written; 0: all */
};

static size_t spoiled_answer(const struct fault *fault, const struct agent_request *request, unsigned char *wire)
{
	size_t length;

	if (fault->payload)
		length = agent_encode(wire, request, fault->payload, fault->length);
	else
		length = agent_encode(wire, request, request->op == GET ? "session" : "\0", request->op == GET ? 7 : 1);
	if (fault->at >= 0)
		wire[fault->at] = fault->to;
	return fault->cut > 0 ? fault->cut : length;
}

static void play(struct agent_connection *connection)
{
	const struct fault *fault = connection->arg;
	struct agent_request *request = malloc(sizeof *request);
	unsigned char wire[256];

	REQUIRE(request);
	if (agent_read(connection, request)) {
		size_t length = spoiled_answer(fault, request, wire);

		agent_write(connection, wire, length, fault->chunk ? fault->chunk : length);
		if (fault->hangs)
			agent_wait(connection);
	}
	free(request);
}

static void check_fault(const struct fault *fault, const char *target)
{
	for (enum op op = ADD; op <= HAVE; op++) {
		DC_CTX *ctx = DC_CTX_new(target, 0);
		char name[100];
		int result;

		REQUIRE(ctx);
		snprintf(name, sizeof name, "%s, %s", fault->name, op_names[op]);
		errno = 0;
		result = operate(ctx, op);
		CHECK_INT(name, result, fault->want_errno == 0 ? 1 : op == HAVE ? -1 : 0);
		if (fault->want_errno != 0)
			CHECK_INT(name, errno, fault->want_errno);
		if (op == GET)
			CHECK_INT(name, used, fault->want_errno == 0 ? 7 : 0);
		DC_CTX_free(ctx);
	}
}

/* The answers here are judged before the agent closes or the time is over. */
static void test_faults(void)
{
	static const struct fault rows[] = {
		{"good", NULL, 0, -1, 0, 0, false, 0, 0},
		{"byte by byte", NULL, 0, -1, 0, 1, false, 0, 0},
		{"good, stays open", NULL, 0, -1, 0, 0, true, 0, 0},
		{"wrong version", NULL, 0, 1, 0x10, 0, true, EPROTO, 0},
		{"wrong version, one byte by one", NULL, 0, 1, 0x10, 1, true, EPROTO, 0},
		{"a request", NULL, 0, 4, 0, 0, true, EPROTO, 0},
		{"wrong uid", NULL, 0, 5, 0x7f, 0, true, EPROTO, 0},
		{"wrong class", NULL, 0, 9, 1, 0, true, EPROTO, 0},
		{"wrong operation", NULL, 0, 10, 9, 0, true, EPROTO, 0},
		{"not complete", NULL, 0, 11, 0, 0, true, EPROTO, 0},
		{"complete is 2", NULL, 0, 11, 2, 0, true, EPROTO, 0},
		{"oversized", NULL, 0, 12, 9, 0, true, EPROTO, 0},
		{"garbage", NULL, 0, 0, 'H', 0, true, EPROTO, 0},
		{"garbage, one byte", NULL, 0, 0, 'H', 0, true, EPROTO, 1},
		{"an empty payload", "", 0, -1, 0, 0, true, ENOTCONN, 0},
		{"DISCONNECTED", "\2", 1, -1, 0, 0, true, ENOTCONN, 0},
		{"an unknown status", "\7", 1, -1, 0, 0, true, EPROTO, 0},
		{"2 bytes", "\0\0", 2, -1, 0, 0, true, EPROTO, 0},
		{"4 bytes", "abcd", 4, -1, 0, 0, true, EPROTO, 0},
		{"cut after 1 byte, closed", NULL, 0, -1, 0, 0, false, ECONNRESET, 1},
		{"cut in the header, closed", NULL, 0, -1, 0, 0, false, ECONNRESET, 13},
		{"cut before the data, closed", NULL, 0, -1, 0, 0, false, ECONNRESET, 14},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fault fault = rows[i];
		struct agent *agent = agent_start(play, &fault), *tcp = agent_start_tcp(play, &fault);
		long start = check_now();

		check_fault(&fault, agent_target(agent));
		check_fault(&fault, agent_target(tcp));
		CHECK_RANGE(fault.name, check_now() - start, 0, 1500);
		agent_stop(agent);
		agent_stop(tcp);
	}
}

static void test_statuses(void)
{
	static const struct {
		const char *payload;
		int want[4];
		int want_errno[4];
	} rows[] = {
		{"\0", {1, 0, 1, 1}, {0, EPROTO, 0, 0}},
		{"\1", {0, 0, 0, 0}, {EPROTO, ENOENT, ENOENT, 0}},
		{"\x64", {0, 0, 0, -1}, {EINVAL, EINVAL, EINVAL, EINVAL}},
		{"\x65", {0, 0, 0, -1}, {EEXIST, EEXIST, EEXIST, EEXIST}},
		{"\x66", {0, 0, 0, -1}, {EINVAL, EINVAL, EINVAL, EINVAL}},
		{"\x68", {0, 0, 0, -1}, {EINVAL, EINVAL, EINVAL, EINVAL}},
		{"\xff", {0, 0, 0, -1}, {EPROTO, EPROTO, EPROTO, EPROTO}},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fault fault = {.name = "status", .payload = rows[i].payload, .length = 1, .at = -1};
		struct agent *agent = agent_start(play, &fault);
		DC_CTX *ctx = DC_CTX_new(agent_target(agent), 0);
		char name[40];

		for (enum op op = ADD; op <= HAVE; op++) {
			snprintf(name, sizeof name, "status %d, %s", (unsigned char)rows[i].payload[0], op_names[op]);
			errno = 0;
			CHECK_INT(name, operate(ctx, op), rows[i].want[op]);
			if (rows[i].want_errno[op] != 0)
				CHECK_INT(name, errno, rows[i].want_errno[op]);
		}
		DC_CTX_free(ctx);
		agent_stop(agent);
	}
}

static void reset(struct agent_connection *connection)
{
	struct agent_request *request = malloc(sizeof *request);

	REQUIRE(request);
	if (agent_read(connection, request))
		agent_write(connection, "\0\x11\0", 3, 3);
	agent_reset(connection);
	free(request);
}

static void close_at_once(struct agent_connection *connection)
{
	(void)connection;
}

/* test_closed: SIGPIPE has its default action, which would end this program. */
static void test_closed(void)
{
	struct agent *agents[] = {agent_start(close_at_once, NULL), agent_start_tcp(close_at_once, NULL),
	                          agent_start_tcp(reset, NULL)};

	REQUIRE(signal(SIGPIPE, SIG_DFL) == SIG_DFL);
	for (size_t i = 0; i < sizeof agents / sizeof agents[0]; i++) {
		DC_CTX *ctx = DC_CTX_new(agent_target(agents[i]), 0);

		for (int round = 0; round < 100; round++) {
			for (enum op op = ADD; op <= HAVE; op++) {
				CHECK_INT(op_names[op], operate(ctx, op), op == HAVE ? -1 : 0);
				CHECK_INT(op_names[op], errno, ECONNRESET);
			}
		}
		DC_CTX_free(ctx);
		agent_stop(agents[i]);
	}
}

static void test_no_listener(void)
{
	char path[] = "/tmp/dcXXXXXX", target[64];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = mkstemp(path);
	DC_CTX *ctx;

	REQUIRE(fd >= 0);
	close(fd);
	unlink(path);
	snprintf(target, sizeof target, "UNIX:%s", path);
	ctx = DC_CTX_new(target, 0);
	REQUIRE(ctx);
	CHECK_INT("no socket", operate(ctx, GET), 0);
	CHECK_INT("errno", errno, ENOENT);

	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(address.sun_path, path);
	REQUIRE(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
	CHECK_INT("no listener", operate(ctx, HAVE), -1);
	CHECK_INT("errno", errno, ECONNREFUSED);
	DC_CTX_free(ctx);
	close(fd);
	unlink(path);
}

/* test_default_budget: silence, half an answer, and an answer that trickles in. */
static void trickle(struct agent_connection *connection)
{
	struct agent_request *request = malloc(sizeof *request);
	struct timespec pause = {.tv_nsec = 60000000};
	unsigned char wire[256];
	ssize_t sent = 1;

	REQUIRE(request);
	if (agent_read(connection, request)) {
		agent_encode(wire, request, request->payload, 200);
		for (size_t i = 0; i < 100 && sent == 1; i++) {
			sent = send(connection->fd, wire + i, 1, MSG_NOSIGNAL);
			nanosleep(&pause, NULL);
		}
	}
	free(request);
}

static void silence(struct agent_connection *connection)
{
	agent_wait(connection);
}

static void test_default_budget(void)
{
	struct agent *agent = agent_start(trickle, NULL);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), 0);
	long start = check_now();

	CHECK_INT("a byte every 60 ms", operate(ctx, GET), 0);
	CHECK_INT("errno", errno, ETIMEDOUT);
	CHECK_RANGE("milliseconds", check_now() - start, 2000, 4000);
	DC_CTX_free(ctx);
	agent_stop(agent);
}

static void test_budget_from_environment(void)
{
	static const struct {
		const char *text;
		int low, high;
	} rows[] = {{"150", 150, 1500}, {"1", 1, 1400}};
	struct agent *agent = agent_start(silence, NULL);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		setenv("DISTCACHE_TIMEOUT_MSECS", rows[i].text, 1);
		for (enum op op = ADD; op <= HAVE; op++) {
			DC_CTX *ctx = DC_CTX_new(agent_target(agent), 0);
			long start = check_now();

			CHECK_INT(op_names[op], operate(ctx, op), op == HAVE ? -1 : 0);
			CHECK_INT(op_names[op], errno, ETIMEDOUT);
			CHECK_RANGE(rows[i].text, check_now() - start, rows[i].low, rows[i].high);
			DC_CTX_free(ctx);
		}
	}
	unsetenv("DISTCACHE_TIMEOUT_MSECS");
	agent_stop(agent);
}

/* recovers is silent on its first connection, and a cache afterwards. */
static void recovers(struct agent_connection *connection)
{
	if (connection->number == 1)
		silence(connection);
	else
		agent_cache(connection);
}

static int has_it(void *ctx)
{
	return operate(ctx, HAVE) == 1;
}

/* test_silence_is_remembered: a hung agent costs its budget once, and is asked again after the pause. */
static void test_silence_is_remembered(void)
{
	struct agent *agent = agent_start(recovers, NULL);
	DC_CTX *ctx;

	setenv("DISTCACHE_TIMEOUT_MSECS", "1000", 1);
	ctx = DC_CTX_new(agent_target(agent), 0);
	unsetenv("DISTCACHE_TIMEOUT_MSECS");
	CHECK_INT("the first waits", operate(ctx, GET), 0);
	CHECK_INT("errno", errno, ETIMEDOUT);
	for (enum op op = ADD; op <= HAVE; op++) {
		used = 7;
		CHECK_INT(op_names[op], operate(ctx, op), op == HAVE ? -1 : 0);
		CHECK_INT(op_names[op], errno, ETIMEDOUT);
		if (op == GET)
			CHECK_INT("used", used, 0);
	}
	CHECK_INT("connections", agent_count(agent), 1);
	CHECK_INT("after the pause", check_until(has_it, ctx), 1);
	CHECK_INT("and from then on", operate(ctx, GET), 1);
	DC_CTX_free(ctx);
	agent_stop(agent);
}

static void test_full_backlog(void)
{
	char path[] = "/tmp/dcXXXXXX", target[64];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), waiting[2];
	int fd = mkstemp(path);
	long start;
	DC_CTX *ctx;

	REQUIRE(fd >= 0);
	close(fd);
	unlink(path);
	strcpy(address.sun_path, path);
	REQUIRE(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 0) == 0);
	for (int i = 0; i < 2; i++) {
		waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(waiting[i], (struct sockaddr *)&address, sizeof address) < 0)
			CHECK_INT("the queue is full", errno, EAGAIN);
	}
	snprintf(target, sizeof target, "UNIX:%s", path);
	setenv("DISTCACHE_TIMEOUT_MSECS", "200", 1);
	ctx = DC_CTX_new(target, 0);
	unsetenv("DISTCACHE_TIMEOUT_MSECS");
	start = check_now();
	CHECK_INT("full backlog", operate(ctx, GET), 0);
	CHECK_INT("errno", errno, ETIMEDOUT);
	CHECK_RANGE("milliseconds", check_now() - start, 200, 1500);
	DC_CTX_free(ctx);
	close(waiting[0]);
	close(waiting[1]);
	close(listener);
	unlink(path);
}

static void on_alarm(int signal)
{
	(void)signal;
}

static void slow_cache(struct agent_connection *connection)
{
	struct timespec pause = {.tv_nsec = 5000000};

	nanosleep(&pause, NULL);
	agent_cache(connection);
}

/* test_interrupted: a signal every half millisecond, and system calls that are not restarted. */
static void test_interrupted(void)
{
	struct sigaction action = {.sa_handler = on_alarm}, before;
	struct itimerval often = {.it_interval.tv_usec = 500, .it_value.tv_usec = 500}, never = {.it_value.tv_usec = 0};
	struct agent *agent;
	sigset_t alarms;
	DC_CTX *ctx;

	/* The agent's threads start with the signal blocked, so all of them come to this thread. */
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarms, NULL);
	agent = agent_start(slow_cache, NULL);
	pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
	sigaction(SIGALRM, &action, &before);
	ctx = DC_CTX_new(agent_target(agent), 0);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 100; i++) {
		CHECK_INT("get", operate(ctx, GET), 1);
		CHECK_INT("has", operate(ctx, HAVE), 1);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &before, NULL);
	DC_CTX_free(ctx);
	agent_stop(agent);
}

/* Random bytes for answers: some begin as a good answer does. */
static void babble(struct agent_connection *connection)
{
	uint64_t state = *(uint64_t *)connection->arg + (uint64_t)connection->number;
	struct agent_request *request = malloc(sizeof *request);
	unsigned char *wire = malloc(AGENT_MAX_WIRE);

	REQUIRE(request && wire);
	if (agent_read(connection, request)) {
		size_t length = agent_encode(wire, request, request->payload, check_random(&state) % 6000);

		for (uint64_t n = check_random(&state) % 4; n > 0; n--)
			wire[check_random(&state) % (n == 1 ? 14 : length)] = (unsigned char)check_random(&state);
		if (check_random(&state) % 4 == 0)
			length = check_random(&state) % length;
		agent_write(connection, wire, length, 1 + check_random(&state) % 3000);
	}
	free(wire);
	free(request);
}

static void test_babble(void)
{
	uint64_t seed = check_seed();
	struct agent *agent = agent_start(babble, &seed);
	int hits = 0;

	for (unsigned int flags = 0; flags <= 5; flags += 5) {
		DC_CTX *ctx = DC_CTX_new(agent_target(agent), flags);

		for (int i = 0; i < 1500; i++)
			hits += operate(ctx, (enum op)(i % 4)) == 1;
		DC_CTX_free(ctx);
	}
	/* Neither all nor nothing: good answers are among what is sent. */
	CHECK_RANGE("hits", hits, 50, 2000);
	agent_stop(agent);
}

int main(void)
{
	RUN(test_faults);
	RUN(test_statuses);
	RUN(test_closed);
	RUN(test_no_listener);
	RUN(test_default_budget);
	RUN(test_budget_from_environment);
	RUN(test_silence_is_remembered);
	RUN(test_full_backlog);
	RUN(test_interrupted);
	RUN(test_babble);
	return check_summary();
}
