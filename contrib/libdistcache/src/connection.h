/* A connection to the agent, and how to know that its descriptor is still that connection. A program may close
 * all descriptors that it does not know, as daemons do when they start, and open its own under the same numbers. */
#ifndef DC_CONNECTION_H
#define DC_CONNECTION_H

#include <stdbool.h>
#include <sys/types.h>

struct dc_connection {
	int fd; /* -1: none */
	dev_t device;
	ino_t inode;
};

/* dc_connection_of returns the connection that fd is now. */
struct dc_connection dc_connection_of(int fd);

/* dc_connection_is_ours reports whether the descriptor is still the connection. */
bool dc_connection_is_ours(const struct dc_connection *connection);

/* dc_connection_end ends the connection, also where a child of a fork has a copy of the descriptor. A descriptor
 * that has become another file stays open. errno stays as it is. */
void dc_connection_end(const struct dc_connection *connection);

/* dc_connection_disown closes a copy of a connection of the parent, which goes on using it. A descriptor that has
 * become another file stays open. errno stays as it is. */
void dc_connection_disown(const struct dc_connection *connection);

#endif
