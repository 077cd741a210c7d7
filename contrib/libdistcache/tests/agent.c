#include "agent.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

/* One connection and the thread that serves it. */
struct serving {
	struct agent_connection connection;
	struct agent *agent;
	pthread_t thread;
	atomic_bool over;
	struct serving *next;
};

struct agent {
	int listener;
	char directory[64];
	char path[72];
	char target[96];
	agent_script *script;
	void *arg;
	atomic_int count, open;
	pthread_t acceptor;
	pthread_mutex_t lock; /* of what follows, and of the closing of descriptors */
	struct serving *servings;
};

static void *serve(void *arg)
{
	struct serving *serving = arg;

	serving->agent->script(&serving->connection);
	pthread_mutex_lock(&serving->agent->lock);
	close(serving->connection.fd);
	serving->connection.fd = -1;
	pthread_mutex_unlock(&serving->agent->lock);
	serving->agent->open--;
	serving->over = true;
	return NULL;
}

/* reap frees the connections that are over, or waits for all of them to be. */
static void reap(struct agent *agent, bool all)
{
	struct serving **link = &agent->servings;

	while (*link) {
		struct serving *serving = *link;

		if (!all && !serving->over) {
			link = &serving->next;
			continue;
		}
		pthread_join(serving->thread, NULL);
		*link = serving->next;
		free(serving);
	}
}

static void *accept_all(void *arg)
{
	struct agent *agent = arg;
	int fd;

	while ((fd = accept4(agent->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct serving *serving = calloc(1, sizeof *serving);

		REQUIRE(serving);
		reap(agent, false);
		serving->agent = agent;
		serving->connection.fd = fd;
		agent->open++;
		serving->connection.number = ++agent->count;
		serving->connection.arg = agent->arg;
		serving->next = agent->servings;
		agent->servings = serving;
		REQUIRE(pthread_create(&serving->thread, NULL, serve, serving) == 0);
	}
	return NULL;
}

static struct agent *start(struct agent *agent, agent_script *script, void *arg)
{
	agent->script = script;
	agent->arg = arg;
	pthread_mutex_init(&agent->lock, NULL);
	REQUIRE(listen(agent->listener, 1024) == 0);
	REQUIRE(pthread_create(&agent->acceptor, NULL, accept_all, agent) == 0);
	return agent;
}

struct agent *agent_start(agent_script *script, void *arg)
{
	struct agent *agent = calloc(1, sizeof *agent);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	REQUIRE(agent);
	snprintf(agent->directory, sizeof agent->directory, "%s/dcXXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	REQUIRE(mkdtemp(agent->directory));
	snprintf(agent->path, sizeof agent->path, "%s/s", agent->directory);
	snprintf(agent->target, sizeof agent->target, "UNIX:%s", agent->path);
	strcpy(address.sun_path, agent->path);
	agent->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(bind(agent->listener, (struct sockaddr *)&address, sizeof address) == 0);
	return start(agent, script, arg);
}

struct agent *agent_start_tcp(agent_script *script, void *arg)
{
	struct agent *agent = calloc(1, sizeof *agent);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;

	REQUIRE(agent);
	agent->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(bind(agent->listener, (struct sockaddr *)&address, size) == 0);
	REQUIRE(getsockname(agent->listener, (struct sockaddr *)&address, &size) == 0);
	snprintf(agent->target, sizeof agent->target, "IP:127.0.0.1:%d", ntohs(address.sin_port));
	return start(agent, script, arg);
}

/* end_connections makes every script that reads or writes return. */
static void end_connections(struct agent *agent)
{
	pthread_mutex_lock(&agent->lock);
	for (struct serving *serving = agent->servings; serving; serving = serving->next)
		if (serving->connection.fd >= 0)
			shutdown(serving->connection.fd, SHUT_RDWR);
	pthread_mutex_unlock(&agent->lock);
}

void agent_stop(struct agent *agent)
{
	shutdown(agent->listener, SHUT_RDWR);
	pthread_join(agent->acceptor, NULL);
	close(agent->listener);
	end_connections(agent);
	reap(agent, true);
	if (agent->directory[0] != '\0') {
		unlink(agent->path);
		rmdir(agent->directory);
	}
	pthread_mutex_destroy(&agent->lock);
	free(agent);
}

const char *agent_target(const struct agent *agent)
{
	return agent->target;
}

int agent_count(const struct agent *agent)
{
	return agent->count;
}

int agent_open(const struct agent *agent)
{
	return agent->open;
}

static bool read_all(int fd, unsigned char *bytes, size_t count)
{
	while (count > 0) {
		ssize_t got = recv(fd, bytes, count, MSG_WAITALL);

		if (got <= 0)
			return false;
		bytes += got;
		count -= (size_t)got;
	}
	return true;
}

bool agent_read(struct agent_connection *connection, struct agent_request *request)
{
	unsigned char header[AGENT_HEADER];
	bool complete = false;

	request->length = 0;
	while (!complete) {
		size_t length;

		if (!read_all(connection->fd, header, sizeof header))
			return false;
		length = (size_t)header[12] << 8 | header[13];
		complete = header[11] == 1;
		REQUIRE(memcmp(header, "\0\x11\0\0\0", 5) == 0 && header[9] == 0 && header[10] <= 3);
		REQUIRE(length <= AGENT_FRAME_DATA && (complete || length == AGENT_FRAME_DATA));
		REQUIRE(request->length + length <= AGENT_MAX_PAYLOAD);
		request->uid = (uint32_t)header[5] << 24 | (uint32_t)header[6] << 16 | (uint32_t)header[7] << 8 | header[8];
		request->op = header[10];
		if (!read_all(connection->fd, request->payload + request->length, length))
			return false;
		request->length += length;
	}
	return true;
}

void agent_wait(struct agent_connection *connection)
{
	unsigned char bytes[4096];

	while (recv(connection->fd, bytes, sizeof bytes, 0) > 0)
		continue;
}

void agent_write(struct agent_connection *connection, const void *bytes, size_t count, size_t chunk)
{
	const unsigned char *at = bytes;

	while (count > 0) {
		size_t size = count < chunk ? count : chunk;
		ssize_t sent = send(connection->fd, at, size, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		at += sent;
		count -= (size_t)sent;
	}
}

void agent_reset(struct agent_connection *connection)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

size_t agent_encode(unsigned char *wire, const struct agent_request *request, const void *payload,
                    size_t length)
{
	const unsigned char *from = payload;
	unsigned char *at = wire;

	do {
		size_t part = length > AGENT_FRAME_DATA ? AGENT_FRAME_DATA : length;
		unsigned char header[AGENT_HEADER] = {0, 0x11, 0, 0, 1};

		for (int i = 0; i < 4; i++)
			header[5 + i] = (unsigned char)(request->uid >> (24 - 8 * i));
		header[10] = (unsigned char)request->op;
		header[11] = part == length;
		header[12] = (unsigned char)(part >> 8);
		header[13] = (unsigned char)part;
		memcpy(at, header, sizeof header);
		if (part > 0)
			memcpy(at + sizeof header, from, part);
		at += sizeof header + part;
		from += part;
		length -= part;
	} while (length > 0);
	return (size_t)(at - wire);
}

void agent_answer(struct agent_connection *connection, const struct agent_request *request,
                  const void *payload, size_t length)
{
	unsigned char *wire = malloc(AGENT_MAX_WIRE);

	REQUIRE(wire);
	agent_write(connection, wire, agent_encode(wire, request, payload, length), AGENT_MAX_WIRE);
	free(wire);
}

void agent_status(struct agent_connection *connection, const struct agent_request *request, int status)
{
	unsigned char byte = (unsigned char)status;

	agent_answer(connection, request, &byte, 1);
}

size_t agent_session(const unsigned char *id, size_t id_len, unsigned char *data)
{
	uint64_t state = 0;
	size_t length;

	for (size_t i = 0; i < id_len; i++)
		state = state * 257 + id[i];
	/* Most are as small as TLS sessions, one in eight is of any size. */
	length = check_random(&state) % 8 == 0 ? 5 + check_random(&state) % (AGENT_MAX_PAYLOAD - 4)
	                                       : 100 + check_random(&state) % 100;
	for (size_t i = 0; i < length; i++)
		data[i] = (unsigned char)(i % 8 == 0 ? check_random(&state) : data[i - 1] * 31U + 7);
	return length;
}

void agent_cache(struct agent_connection *connection)
{
	struct agent_request *request = malloc(sizeof *request);
	unsigned char *data = malloc(AGENT_MAX_PAYLOAD);

	REQUIRE(request && data);
	while (agent_read(connection, request)) {
		const unsigned char *id = request->payload + (request->op == 0 ? 8 : 0);
		bool held = id[0] % 2 == 0;

		if (request->op == 1 && held)
			agent_answer(connection, request, data, agent_session(id, request->length, data));
		else if (request->op == 0)
			agent_status(connection, request, held ? 101 : 0);
		else
			agent_status(connection, request, held ? 0 : 1);
	}
	free(data);
	free(request);
}
