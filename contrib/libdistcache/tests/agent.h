/* A scripted agent: a listening socket whose connections each run a script, in a thread of their own. It
 * reads and writes the wire with code of its own, so a mistake in the library is not made here again. */
#ifndef DC_AGENT_H
#define DC_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AGENT_HEADER = 14, AGENT_FRAME_DATA = 2048, AGENT_MAX_PAYLOAD = 32768, AGENT_MAX_WIRE = 40000 };

struct agent;

struct agent_connection {
	int fd;
	int number; /* 1 for the first */
	void *arg; /* of agent_start */
};

struct agent_request {
	uint32_t uid;
	int op; /* 0 ADD, 1 GET, 2 REMOVE, 3 HAVE */
	size_t length;
	unsigned char payload[AGENT_MAX_PAYLOAD];
};

/* A script serves one connection, which is closed when it returns. */
typedef void agent_script(struct agent_connection *connection);

struct agent *agent_start(agent_script *script, void *arg);
struct agent *agent_start_tcp(agent_script *script, void *arg);
/* agent_stop ends the connections, waits for the scripts, and removes the socket. */
void agent_stop(struct agent *agent);
const char *agent_target(const struct agent *agent);
/* agent_count returns how many connections were accepted so far. */
int agent_count(const struct agent *agent);
/* agent_open returns how many of them the agent has not closed yet. */
int agent_open(const struct agent *agent);

/* agent_read reads one request; false when the connection ends, or what came is none. */
bool agent_read(struct agent_connection *connection, struct agent_request *request);
/* agent_wait waits until the other side closes. */
void agent_wait(struct agent_connection *connection);
/* agent_write writes bytes, in pieces of at most chunk bytes. */
void agent_write(struct agent_connection *connection, const void *bytes, size_t count, size_t chunk);
/* agent_reset makes the closing of the connection a reset (TCP). */
void agent_reset(struct agent_connection *connection);

/* agent_encode writes the answer to request with this payload to wire, and returns its length. */
size_t agent_encode(unsigned char *wire, const struct agent_request *request, const void *payload,
                    size_t length);
void agent_answer(struct agent_connection *connection, const struct agent_request *request,
                  const void *payload, size_t length);
void agent_status(struct agent_connection *connection, const struct agent_request *request, int status);

/* agent_cache is a script: a cache that holds all sessions whose ID starts with an even byte, and answers as
 * dc_server would. The session of an ID is agent_session. */
agent_script agent_cache;
/* agent_session writes the session of id to data, of AGENT_MAX_PAYLOAD bytes, and returns its length, 5 to
 * 32,768. */
size_t agent_session(const unsigned char *id, size_t id_len, unsigned char *data);

#endif
