/* Who listens at a unix socket. */
#ifndef DC_PEER_H
#define DC_PEER_H

#include <stdbool.h>
#include <sys/types.h>

enum { DC_MAX_PEERS = 8 };

/* The users that may listen beside root and the user of this process. */
struct dc_peers {
	bool checked; /* false: anyone may */
	uid_t uids[DC_MAX_PEERS];
	int count;
};

/* dc_peers_init takes the users of DISTCACHE_AGENT_USERS: names or numbers with commas between them. Without
 * that variable nothing is checked. It returns false with EINVAL if a user does not exist, or too many are named. */
bool dc_peers_init(struct dc_peers *peers);

/* dc_peers_allow reports whether one of these users listens at the other end of fd, a connected unix socket.
 * Otherwise errno is EPERM. */
bool dc_peers_allow(const struct dc_peers *peers, int fd);

#endif
