#include "peer.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_NAME = 64, MAX_RECORD = 4096 };

/* find writes the user of that name or number to uid. */
static bool find(const char *name, uid_t *uid)
{
	struct passwd user, *found;
	char record[MAX_RECORD], *end;
	unsigned long number;

	if (name[0] >= '0' && name[0] <= '9') {
		errno = 0;
		number = strtoul(name, &end, 10);
		*uid = (uid_t)number;
		return errno == 0 && *end == '\0' && *uid == number && *uid != (uid_t)-1;
	}
	if (getpwnam_r(name, &user, record, sizeof record, &found) != 0 || !found)
		return false;
	*uid = found->pw_uid;
	return true;
}

static bool add(struct dc_peers *peers, const char *text, size_t length)
{
	char name[MAX_NAME + 1];

	if (length == 0)
		return true;
	if (length > MAX_NAME || peers->count == DC_MAX_PEERS)
		return false;
	memcpy(name, text, length);
	name[length] = '\0';
	return find(name, &peers->uids[peers->count++]);
}

bool dc_peers_init(struct dc_peers *peers)
{
	const char *text = secure_getenv("DISTCACHE_AGENT_USERS");

	memset(peers, 0, sizeof *peers);
	peers->checked = text != NULL;
	while (text) {
		size_t length = strcspn(text, ",");

		/* A check that does not hold what was asked for must not pass in silence. */
		if (!add(peers, text, length)) {
			errno = EINVAL;
			return false;
		}
		text = text[length] == ',' ? text + length + 1 : NULL;
	}
	return true;
}

bool dc_peers_allow(const struct dc_peers *peers, int fd)
{
	struct ucred peer;
	socklen_t size = sizeof peer;

	if (!peers->checked)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	for (int i = 0; i < peers->count; i++) {
		if (peers->uids[i] == peer.uid)
			return true;
	}
	errno = EPERM;
	return false;
}
