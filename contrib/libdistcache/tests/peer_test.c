/* Whose unix socket the library asks: DISTCACHE_AGENT_USERS. */
#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "check.h"
#include "distcache/dc_client.h"

/* The credentials that the kernel would report: a test cannot be several users. */
static int listener_uid = -1;

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *size);

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	int result = __real_getsockopt(fd, level, name, value, size);

	if (result == 0 && name == SO_PEERCRED && listener_uid >= 0)
		((struct ucred *)value)->uid = (uid_t)listener_uid;
	return result;
}

static const unsigned char id[8] = "0";

static void test_users(void)
{
	const struct {
		const char *users;
		int listener, want, want_errno;
	} rows[] = {
		{NULL, 4711, 1, 0}, {"", 4711, -1, EPERM}, {"", 0, 1, 0}, {"", (int)geteuid(), 1, 0},
		{"root", 4711, -1, EPERM}, {"4711", 4711, 1, 0}, {"daemon,4711", 4711, 1, 0}, {"4711,", 4712, -1, EPERM},
	};
	struct agent *agent = agent_start(agent_cache, NULL);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *name = rows[i].users ? rows[i].users : "not set";
		DC_CTX *ctx;

		if (rows[i].users)
			setenv("DISTCACHE_AGENT_USERS", rows[i].users, 1);
		listener_uid = rows[i].listener;
		ctx = DC_CTX_new(agent_target(agent), 0);
		unsetenv("DISTCACHE_AGENT_USERS");
		REQUIRE(ctx);
		CHECK_INT(name, DC_CTX_has_session(ctx, id, sizeof id), rows[i].want);
		if (rows[i].want < 0)
			CHECK_INT(name, errno, rows[i].want_errno);
		DC_CTX_free(ctx);
	}
	listener_uid = -1;
	agent_stop(agent);
}

static void test_bad_users(void)
{
	static const char *const rows[] = {
		"no-such-user-here", "12x", "99999999999999999999", "4294967295", "root,no-such-user-here", "1,2,3,4,5,6,7,8,9",
		"a-name-that-is-far-too-long-for-any-user-of-any-system-that-there-ever-was",
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		setenv("DISTCACHE_AGENT_USERS", rows[i], 1);
		errno = 0;
		CHECK_INT(rows[i], DC_CTX_new("UNIX:/tmp/scache", 0) == NULL, 1);
		CHECK_INT(rows[i], errno, EINVAL);
		unsetenv("DISTCACHE_AGENT_USERS");
	}
}

int main(void)
{
	RUN(test_users);
	RUN(test_bad_users);
	return check_summary();
}
