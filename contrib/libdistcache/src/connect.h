/* Opening a connection to the agent. */
#ifndef DC_CONNECT_H
#define DC_CONNECT_H

#include "deadline.h"
#include "peer.h"
#include "target.h"

/* dc_connect returns a connected descriptor, closed on exec and above 2, or -1 with errno. It tries
 * the addresses of target in order; each gets an equal share of the time that is left by then. peers says
 * whose unix socket it may be. */
int dc_connect(const struct dc_target *target, const struct dc_peers *peers, dc_deadline deadline);

/* dc_close closes fd and leaves errno alone. */
void dc_close(int fd);

#endif
