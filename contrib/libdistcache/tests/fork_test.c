/* A context that parent and children go on using after fork. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "check.h"
#include "distcache/dc_client.h"

enum { PERSISTENT = DC_CTX_FLAG_PERSISTENT, CHILDREN = 6, ROUNDS = 200, FORKS = 60, HAMMERS = 4 };

/* In the second run of this program the kernel knows no MADV_WIPEONFORK, as before Linux 4.14. */
static bool kernel_is_old;

int madvise(void *address, size_t length, int advice)
{
	if (kernel_is_old && advice == MADV_WIPEONFORK) {
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_madvise, address, length, advice);
}

/* use gets sessions of its own, counted by kind and number, and returns how many were wrong. */
static int use(DC_CTX *ctx, int kind, int rounds)
{
	unsigned char *store = malloc(AGENT_MAX_PAYLOAD), *want = malloc(AGENT_MAX_PAYLOAD);
	unsigned char id[8] = {0};
	int wrong = 0;

	REQUIRE(store && want);
	for (int i = 0; i < rounds; i++) {
		unsigned int used;
		size_t length;

		id[1] = (unsigned char)kind;
		id[2] = (unsigned char)(i >> 8);
		id[3] = (unsigned char)i;
		length = agent_session(id, sizeof id, want);
		wrong += !DC_CTX_get_session(ctx, id, sizeof id, store, AGENT_MAX_PAYLOAD, &used) || used != length ||
		         memcmp(store, want, length) != 0;
	}
	free(store);
	free(want);
	return wrong;
}

/* collect waits for a child, and ends it when it hangs. */
static int collect(pid_t child)
{
	long end = check_now() + 10000;
	int status;

	while (waitpid(child, &status, WNOHANG) == 0) {
		if (check_now() > end)
			kill(child, SIGKILL);
		usleep(1000);
	}
	return status;
}

/* test_all_at_once: would they share a connection, they would read each other's answers. */
static void test_all_at_once(void)
{
	static const unsigned int flags[] = {0, PERSISTENT, PERSISTENT | DC_CTX_FLAG_PERSISTENT_PIDCHECK};

	for (size_t n = 0; n < sizeof flags / sizeof flags[0]; n++) {
		struct agent *agent = agent_start(agent_cache, NULL);
		DC_CTX *ctx = DC_CTX_new(agent_target(agent), flags[n]);
		pid_t children[CHILDREN];

		CHECK_INT("before the fork", use(ctx, 0, 10), 0);
		for (int i = 0; i < CHILDREN; i++) {
			children[i] = fork();
			if (children[i] == 0)
				_exit(use(ctx, i + 1, ROUNDS) == 0 ? 0 : 1);
		}
		CHECK_INT("the parent meanwhile", use(ctx, 0, ROUNDS), 0);
		for (int i = 0; i < CHILDREN; i++)
			CHECK_INT("exit of a child", collect(children[i]), 0);
		CHECK_INT("connections", agent_count(agent), 1 + CHILDREN);
		DC_CTX_free(ctx);
		agent_stop(agent);
	}
}

/* test_child_leaves: a child that uses, frees and ends leaves the parent's connection as it is. */
static void test_child_leaves(void)
{
	struct agent *agent = agent_start(agent_cache, NULL);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), PERSISTENT);
	pid_t child;

	for (int uses = 0; uses <= 1; uses++) {
		child = fork();
		if (child == 0) {
			int wrong = uses ? use(ctx, 1, 10) : 0;

			DC_CTX_free(ctx);
			_exit(wrong == 0 ? 0 : 1);
		}
		CHECK_INT("exit of the child", collect(child), 0);
		CHECK_INT("the parent afterwards", use(ctx, 0, 10), 0);
		CHECK_INT("connections", agent_count(agent), 1 + uses);
	}
	DC_CTX_free(ctx);
	agent_stop(agent);
}

static void test_grandchild(void)
{
	struct agent *agent = agent_start(agent_cache, NULL);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), PERSISTENT);
	pid_t child = fork();

	if (child == 0) {
		int wrong = use(ctx, 1, 10);
		pid_t grandchild = fork();

		if (grandchild == 0)
			_exit(use(ctx, 2, 10) == 0 ? 0 : 1);
		wrong += use(ctx, 1, 10);
		_exit(collect(grandchild) == 0 && wrong == 0 ? 0 : 1);
	}
	CHECK_INT("the parent meanwhile", use(ctx, 0, 10), 0);
	CHECK_INT("exit of the child", collect(child), 0);
	CHECK_INT("connections", agent_count(agent), 3);
	DC_CTX_free(ctx);
	agent_stop(agent);
}

/* occupy closes what the parent has left open, and opens files under the same numbers. */
static void occupy(int from, int to)
{
	for (int fd = from; fd <= to; fd++)
		close(fd);
	for (int fd = from; fd <= to; fd++)
		REQUIRE(open("/dev/null", O_WRONLY) == fd);
}

/* test_child_closes_all: a child that begins as daemons do. The library closes none of its files. */
static void test_child_closes_all(void)
{
	static const unsigned int flags[] = {0, PERSISTENT};
	enum { FIRST = 3, LAST = 40 };

	for (size_t n = 0; n < sizeof flags / sizeof flags[0]; n++) {
		struct agent *agent = agent_start(agent_cache, NULL);
		DC_CTX *ctx = DC_CTX_new(agent_target(agent), flags[n]);
		pid_t child;

		CHECK_INT("before the fork", use(ctx, 0, 10), 0);
		child = fork();
		if (child == 0) {
			int wrong, closed = 0;

			occupy(FIRST, LAST);
			wrong = use(ctx, 1, 10);
			DC_CTX_free(ctx);
			for (int fd = FIRST; fd <= LAST; fd++)
				closed += fcntl(fd, F_GETFD) < 0;
			_exit(wrong + closed == 0 ? 0 : 1);
		}
		CHECK_INT("exit of the child", collect(child), 0);
		CHECK_INT("the parent afterwards", use(ctx, 0, 10), 0);
		CHECK_INT("connections", agent_count(agent), 2);
		DC_CTX_free(ctx);
		agent_stop(agent);
	}
}

static void test_reget_after_fork(void)
{
	struct agent *agent = agent_start(agent_cache, NULL);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), PERSISTENT);
	static const unsigned char id[8] = "0";
	unsigned int used, want;
	pid_t child;

	CHECK_INT("get", DC_CTX_get_session(ctx, id, sizeof id, NULL, 0, &want), 1);
	child = fork();
	if (child == 0)
		_exit(DC_CTX_reget_session(ctx, id, sizeof id, NULL, 0, &used) && used == want ? 0 : 1);
	CHECK_INT("exit of the child", collect(child), 0);
	DC_CTX_free(ctx);
	agent_stop(agent);
}

/* enter_namespace makes the next child the first process of a PID namespace. */
static bool enter_namespace(void)
{
	return unshare(CLONE_NEWPID) == 0;
}

/* parent_and_child_of_one_pid runs as process 1 of a namespace, and forks a child that is process 1 of the next.
 * It returns an exit code; 2: namespaces are not allowed here. */
static int parent_and_child_of_one_pid(const char *target)
{
	DC_CTX *ctx = DC_CTX_new(target, PERSISTENT);
	int self = getpid(), wrong = use(ctx, 1, 10);
	pid_t child;

	if (!enter_namespace())
		return 2;
	child = fork();
	if (child == 0)
		_exit(getpid() == self && use(ctx, 2, 10) == 0 ? 0 : 1);
	wrong += collect(child) != 0; /* one after the other: would they share a connection, there were one */
	wrong += use(ctx, 1, 10);
	return wrong == 0 ? 0 : 1;
}

static void test_same_pid(void)
{
	struct agent *agent = agent_start(agent_cache, NULL);
	pid_t outer = fork();
	int status;

	if (outer == 0) {
		pid_t inner;

		if (!enter_namespace() && (unshare(CLONE_NEWUSER) != 0 || !enter_namespace()))
			_exit(2);
		inner = fork();
		if (inner == 0)
			_exit(parent_and_child_of_one_pid(agent_target(agent)));
		status = collect(inner);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	status = collect(outer);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
		printf("skip: no PID namespaces here\n");
	} else {
		CHECK_INT("exit", status, 0);
		CHECK_INT("connections", agent_count(agent), 2);
	}
	agent_stop(agent);
}

/* test_system_call: a child that no handler of fork knows of. Only the kernel can tell. */
static void test_system_call(void)
{
	struct agent *agent = agent_start(agent_cache, NULL);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), PERSISTENT);
	pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (child == 0)
		_exit(use(ctx, 1, 10) == 0 ? 0 : 1);
	CHECK_INT("the parent meanwhile", use(ctx, 0, 10), 0);
	CHECK_INT("exit of the child", collect(child), 0);
	CHECK_INT("connections", agent_count(agent), 2);
	DC_CTX_free(ctx);
	agent_stop(agent);
}

struct hammer {
	pthread_t thread;
	DC_CTX *ctx;
	int kind, wrong;
	atomic_bool *stop;
};

static void *hammer(void *arg)
{
	struct hammer *hammer = arg;

	while (!*hammer->stop)
		hammer->wrong += use(hammer->ctx, hammer->kind, 20);
	return NULL;
}

/* test_fork_among_threads forks while other threads are at any point of their operations: nothing they hold
 * may be missing in the child. */
static void test_fork_among_threads(void)
{
	struct agent *agent = agent_start(agent_cache, NULL);
	DC_CTX *ctx = DC_CTX_new(agent_target(agent), PERSISTENT | DC_CTX_FLAG_PERSISTENT_RETRY);
	struct hammer hammers[HAMMERS];
	atomic_bool stop = false;

	for (int i = 0; i < HAMMERS; i++) {
		hammers[i] = (struct hammer){.ctx = ctx, .kind = 100 + i, .stop = &stop};
		REQUIRE(pthread_create(&hammers[i].thread, NULL, hammer, &hammers[i]) == 0);
	}
	for (int i = 0; i < FORKS; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(use(ctx, i, 5) == 0 ? 0 : 1);
		CHECK_INT("exit of a child", collect(child), 0);
	}
	stop = true;
	for (int i = 0; i < HAMMERS; i++) {
		pthread_join(hammers[i].thread, NULL);
		CHECK_INT("wrong answers", hammers[i].wrong, 0);
	}
	DC_CTX_free(ctx);
	agent_stop(agent);
}

int main(int argc, char **argv)
{
	kernel_is_old = argc > 1;
	setenv("DISTCACHE_KEEP_MSECS", "3600000", 1);
	RUN(test_all_at_once);
	RUN(test_child_leaves);
	RUN(test_grandchild);
	RUN(test_child_closes_all);
	RUN(test_reget_after_fork);
	RUN(test_same_pid);
	RUN(test_fork_among_threads);
	if (!kernel_is_old)
		RUN(test_system_call);
	if (kernel_is_old || check_failures() > 0)
		return check_summary();
	fflush(stdout);
	execl(argv[0], argv[0], "old", NULL);
	return 1;
}
