/* Arguments, what is sent for them, and how what comes back is handed over. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "check.h"
#include "distcache/dc_client.h"

static unsigned char held[64] = "0 starts with an even byte", missing[64] = "1 starts with an odd byte";
static unsigned char data[AGENT_MAX_PAYLOAD + 100], want[AGENT_MAX_PAYLOAD];

/* check_used_of_failures: *used is 0 after each failure that the arguments cause. */
static void check_used_of_failures(DC_CTX *ctx)
{
	unsigned char store[10];
	const struct {
		const char *name;
		DC_CTX *ctx;
		const unsigned char *id;
		unsigned int id_len;
		unsigned char *store;
	} rows[] = {
		{"no store", ctx, held, 5, NULL}, {"no ID", ctx, NULL, 5, store}, {"no context", NULL, held, 5, store},
		{"ID of 0", ctx, held, 0, store}, {"ID of 65", ctx, held, 65, store}, {"nothing", NULL, NULL, 0, NULL},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		for (int reget = 0; reget <= 1; reget++) {
			unsigned int used = 7;

			CHECK_INT(rows[i].name, (reget ? DC_CTX_reget_session : DC_CTX_get_session)
			          (rows[i].ctx, rows[i].id, rows[i].id_len, rows[i].store, sizeof store, &used), 0);
			CHECK_INT(rows[i].name, errno, EINVAL);
			CHECK_INT(rows[i].name, used, 0);
		}
	}
}

static void test_limits(void)
{
	struct agent *agent = agent_start(agent_cache, NULL);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), 0);
	unsigned char store[10];
	unsigned int used = 7;
	static const struct {
		const char *name;
		unsigned int id_len, data_len;
		unsigned long timeout;
		int want_errno;
	} rows[] = {
		{"ID of 0", 0, 10, 1000, EINVAL}, {"ID of 65", 65, 10, 1000, EINVAL},
		{"ID of UINT_MAX", UINT_MAX, 10, 1000, EINVAL}, {"data of 0", 10, 0, 1000, EINVAL},
		{"data of 32,769", 1, 32769, 1000, EMSGSIZE}, {"ID and data over 32,760", 64, 32697, 1000, EMSGSIZE},
		{"data of UINT_MAX", 10, UINT_MAX, 1000, EMSGSIZE}, {"over 7 days", 10, 10, 604800001, EINVAL},
		{"the longest timeout", 10, 10, ULONG_MAX, EINVAL},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		CHECK_INT(rows[i].name,
		          DC_CTX_add_session(ctx, missing, rows[i].id_len, data, rows[i].data_len, rows[i].timeout), 0);
		CHECK_INT(rows[i].name, errno, rows[i].want_errno);
	}
	CHECK_INT("add without an ID", DC_CTX_add_session(ctx, NULL, 5, data, 5, 1), 0);
	CHECK_INT("add without data", DC_CTX_add_session(ctx, held, 5, NULL, 5, 1), 0);
	CHECK_INT("add without a context", DC_CTX_add_session(NULL, held, 5, data, 5, 1), 0);
	CHECK_INT("remove without a context", DC_CTX_remove_session(NULL, held, 5), 0);
	CHECK_INT("remove of 65", DC_CTX_remove_session(ctx, held, 65), 0);
	CHECK_INT("has of 65, as in distcache 1.5", DC_CTX_has_session(ctx, held, 65), 0);
	CHECK_INT("has of UINT_MAX", DC_CTX_has_session(ctx, held, UINT_MAX), 0);
	CHECK_INT("has of 0", DC_CTX_has_session(ctx, held, 0), -1);
	CHECK_INT("has without a context", DC_CTX_has_session(NULL, held, 5), -1);
	CHECK_INT("get without an ID", DC_CTX_get_session(ctx, NULL, 5, store, 10, &used), 0);
	CHECK_INT("used", used, 0);
	check_used_of_failures(ctx);
	CHECK_INT("get without used", DC_CTX_get_session(ctx, held, 5, store, 10, NULL), 0);
	CHECK_INT("get without a store", DC_CTX_get_session(ctx, held, 5, NULL, 10, &used), 0);
	CHECK_INT("reget without a context", DC_CTX_reget_session(NULL, held, 5, store, 10, &used), 0);
	DC_CTX_free(NULL);
	DC_CTX_free(ctx);
	CHECK_INT("connections", agent_count(agent), 0);
	agent_stop(agent);
}

static void test_new(void)
{
	CHECK_INT("no target", DC_CTX_new(NULL, 0) == NULL, 1);
	CHECK_INT("errno", errno, EINVAL);
	CHECK_INT("bad target", DC_CTX_new("/tmp/scache", 0) == NULL, 1);
	CHECK_INT("errno", errno, EINVAL);
	CHECK_INT("unknown flag", DC_CTX_new("UNIX:/tmp/scache", 0x10) == NULL, 1);
	CHECK_INT("errno", errno, EINVAL);
}

/* keep is a script that notes the request and answers OK. */
static void keep(struct agent_connection *connection)
{
	struct agent_request *request = connection->arg;

	if (agent_read(connection, request))
		agent_status(connection, request, 0);
}

static void check_add(unsigned int id_len, unsigned int data_len, unsigned long timeout)
{
	struct agent_request *request = calloc(1, sizeof *request);
	struct agent *agent = agent_start(keep, request);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), 0);
	const unsigned char *payload = request->payload;
	unsigned char prefix[8] = {(unsigned char)(timeout >> 24), (unsigned char)(timeout >> 16),
	                           (unsigned char)(timeout >> 8), (unsigned char)timeout, 0, 0, 0,
	                           (unsigned char)id_len};

	CHECK_INT("add", DC_CTX_add_session(ctx, held, id_len, data, data_len, timeout), 1);
	DC_CTX_free(ctx);
	agent_stop(agent);
	CHECK_INT("length", request->length, 8 + id_len + data_len);
	CHECK_BYTES("timeout and length of the ID", payload, prefix, 8);
	CHECK_BYTES("ID", payload + 8, held, id_len);
	CHECK_BYTES("data", payload + 8 + id_len, data, data_len);
	free(request);
}

static void test_add_arrives(void)
{
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(i * 3 + i / 256);
	check_add(1, 1, 0);
	check_add(32, 172, 300000);
	check_add(64, 1976, 604800000);
	check_add(64, 1977, 999);
	check_add(64, 32696, 1);
	check_add(1, 32759, 1);
}

/* test_store: stores of every kind, with a byte behind them that must stay as it is. */
static void test_store(void)
{
	struct agent *agent = agent_start(agent_cache, NULL);
	DC_CTX *ctx;
	unsigned int length = (unsigned int)agent_session(held, 32, want);
	unsigned int sizes[] = {0, 1, 4, length - 1, length, length + 1, AGENT_MAX_PAYLOAD};

	setenv("DISTCACHE_KEEP_MSECS", "0", 1); /* so a connection is an operation */
	ctx = DC_CTX_new(agent_target(agent), 0);
	unsetenv("DISTCACHE_KEEP_MSECS");
	for (int reget = 0; reget <= 1; reget++) {
		for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
			unsigned int used = 0, filled = length < sizes[i] ? length : sizes[i];
			unsigned char *store = malloc(sizes[i] + 1);
			int connections = agent_count(agent);

			memset(store, 0xa5, sizes[i] + 1);
			CHECK_INT("result", (reget ? DC_CTX_reget_session : DC_CTX_get_session)
			          (ctx, held, 32, sizes[i] ? store : NULL, sizes[i], &used), 1);
			CHECK_INT("used", used, length);
			CHECK_BYTES("data", store, want, filled);
			CHECK_INT("the byte behind", store[filled], 0xa5);
			CHECK_INT("new connections", agent_count(agent) - connections, !reget);
			free(store);
		}
	}
	DC_CTX_free(ctx);
	agent_stop(agent);
}

/* big is a script: 32,768 bytes whatever is asked, one at a time. */
static void big(struct agent_connection *connection)
{
	struct agent_request *request = malloc(sizeof *request);
	unsigned char *wire = malloc(AGENT_MAX_WIRE);

	if (agent_read(connection, request))
		agent_write(connection, wire, agent_encode(wire, request, data, AGENT_MAX_PAYLOAD), 1);
	free(wire);
	free(request);
}

static void test_greatest(void)
{
	struct agent *agent = agent_start(big, NULL);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), 0);
	unsigned int used;

	CHECK_INT("get, byte by byte", DC_CTX_get_session(ctx, held, 32, want, sizeof want, &used), 1);
	CHECK_INT("used", used, AGENT_MAX_PAYLOAD);
	CHECK_BYTES("data", want, data, AGENT_MAX_PAYLOAD);
	DC_CTX_free(ctx);
	agent_stop(agent);
}

struct other_thread {
	DC_CTX *ctx;
	int reget_before, get, reget_after;
};

static void *reget_elsewhere(void *arg)
{
	struct other_thread *other = arg;
	unsigned int used;

	other->reget_before = DC_CTX_reget_session(other->ctx, held, 32, NULL, 0, &used);
	other->get = DC_CTX_get_session(other->ctx, held, 31, NULL, 0, &used);
	other->reget_after = DC_CTX_reget_session(other->ctx, held, 31, NULL, 0, &used);
	return NULL;
}

static void test_reget(void)
{
	struct agent *agent = agent_start(agent_cache, NULL);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), 0), *second = DC_CTX_new(agent_target(agent), 0);
	struct other_thread other = {.ctx = ctx};
	pthread_t thread;
	unsigned int used;

	CHECK_INT("before any get", DC_CTX_reget_session(ctx, held, 32, NULL, 0, &used), 0);
	CHECK_INT("errno", errno, ENOENT);
	CHECK_INT("get", DC_CTX_get_session(ctx, held, 32, NULL, 0, &used), 1);
	CHECK_INT("another ID", DC_CTX_reget_session(ctx, held, 31, NULL, 0, &used), 0);
	CHECK_INT("another context", DC_CTX_reget_session(second, held, 32, NULL, 0, &used), 0);
	REQUIRE(pthread_create(&thread, NULL, reget_elsewhere, &other) == 0);
	pthread_join(thread, NULL);
	CHECK_INT("another thread, of what this one got", other.reget_before, 0);
	CHECK_INT("another thread, get", other.get, 1);
	CHECK_INT("another thread, of its own", other.reget_after, 1);
	CHECK_INT("this thread, after the other's get", DC_CTX_reget_session(ctx, held, 32, want, sizeof want, &used), 1);
	CHECK_INT("used", used, agent_session(held, 32, data));
	CHECK_BYTES("data", want, data, used);
	CHECK_INT("a miss", DC_CTX_get_session(ctx, missing, 32, NULL, 0, &used), 0);
	CHECK_INT("errno", errno, ENOENT);
	CHECK_INT("after a miss", DC_CTX_reget_session(ctx, held, 32, NULL, 0, &used), 0);
	CHECK_INT("after a miss, the same ID", DC_CTX_reget_session(ctx, missing, 32, NULL, 0, &used), 0);

	CHECK_INT("get", DC_CTX_get_session(ctx, held, 32, NULL, 0, &used), 1);
	DC_CTX_free(ctx);
	ctx = DC_CTX_new(agent_target(agent), 0);
	CHECK_INT("a new context, perhaps at the same place", DC_CTX_reget_session(ctx, held, 32, NULL, 0, &used), 0);
	DC_CTX_free(ctx);
	DC_CTX_free(second);
	agent_stop(agent);
}

/* test_reget_after_remove: removing a session also ends what reget holds of it, and of no other. */
static void test_reget_after_remove(void)
{
	struct agent *agent = agent_start(agent_cache, NULL);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), 0);
	unsigned int used;

	CHECK_INT("get", DC_CTX_get_session(ctx, held, 32, NULL, 0, &used), 1);
	CHECK_INT("remove another", DC_CTX_remove_session(ctx, held, 31), 1);
	CHECK_INT("reget", DC_CTX_reget_session(ctx, held, 32, NULL, 0, &used), 1);
	CHECK_INT("remove", DC_CTX_remove_session(ctx, held, 32), 1);
	CHECK_INT("reget after the remove", DC_CTX_reget_session(ctx, held, 32, NULL, 0, &used), 0);
	CHECK_INT("errno", errno, ENOENT);
	CHECK_INT("used", used, 0);
	DC_CTX_free(ctx);
	agent_stop(agent);
}

static void test_macros(void)
{
	CHECK_INT("API", DISTCACHE_CLIENT_API, 1);
	CHECK_INT("binary", DISTCACHE_CLIENT_BINARY, 1);
	CHECK_INT("least timeout of distcache 1.5", DC_MIN_TIMEOUT, 500);
	CHECK_INT("greatest timeout", DC_CTX_MAX_TIMEOUT, 604800000);
}

static void test_answers(void)
{
	struct agent *agent = agent_start(agent_cache, NULL);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), 0);

	CHECK_INT("has", DC_CTX_has_session(ctx, held, 32), 1);
	CHECK_INT("has not", DC_CTX_has_session(ctx, missing, 32), 0);
	CHECK_INT("remove", DC_CTX_remove_session(ctx, held, 32), 1);
	CHECK_INT("remove what is not there", DC_CTX_remove_session(ctx, missing, 32), 0);
	CHECK_INT("errno", errno, ENOENT);
	CHECK_INT("add", DC_CTX_add_session(ctx, missing, 32, data, 100, 1000), 1);
	CHECK_INT("add what is there", DC_CTX_add_session(ctx, held, 32, data, 100, 1000), 0);
	CHECK_INT("errno", errno, EEXIST);
	DC_CTX_free(ctx);
	agent_stop(agent);
}

/* A process that has closed 0, 1 and 2 must not find a connection there. */
static void test_standard_descriptors(void)
{
	struct agent *agent = agent_start(agent_cache, NULL);
	pid_t child = fork();
	int status;

	if (child == 0) {
		DC_CTX *ctx;
		bool found, taken = false;

		close(0);
		close(1);
		close(2);
		ctx = DC_CTX_new(agent_target(agent), DC_CTX_FLAG_PERSISTENT);
		found = ctx && DC_CTX_has_session(ctx, held, 32) == 1;
		for (int fd = 0; fd <= 2; fd++)
			taken = taken || fcntl(fd, F_GETFD) >= 0;
		_exit(found && !taken ? 0 : 1);
	}
	REQUIRE(waitpid(child, &status, 0) == child);
	CHECK_INT("exit", status, 0);
	agent_stop(agent);
}

int main(void)
{
	RUN(test_limits);
	RUN(test_new);
	RUN(test_add_arrives);
	RUN(test_store);
	RUN(test_greatest);
	RUN(test_reget);
	RUN(test_reget_after_remove);
	RUN(test_macros);
	RUN(test_answers);
	RUN(test_standard_descriptors);
	return check_summary();
}
