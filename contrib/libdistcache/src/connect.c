#include "connect.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/time.h>
#include <unistd.h>

void dc_close(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

/* above_standard moves fd above 2. In a process that closed 0, 1 or 2, the output of that process must not
 * go to the agent. */
static int above_standard(int fd)
{
	int moved;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	dc_close(fd);
	return moved;
}

static int open_socket(int family)
{
	int on = 1;
	int fd = above_standard(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	/* A request leaves in one write; its last segment must not wait for an acknowledgement. */
	if (fd >= 0 && family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

/* await_backlog waits for a place in the listener's queue. If the queue is full, a non-blocking unix socket
 * returns EAGAIN, and poll cannot wait for that. A blocking one waits up to SO_SNDTIMEO. */
static bool await_backlog(int fd, const struct dc_endpoint *endpoint, dc_deadline deadline)
{
	int left;

	if (fcntl(fd, F_SETFL, 0) < 0)
		return false;
	while ((left = dc_deadline_left(deadline)) > 0) {
		struct timeval wait = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};

		if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) < 0)
			return false;
		if (connect(fd, &endpoint->address.any, endpoint->length) == 0)
			return true;
		if (errno != EINTR && errno != EAGAIN)
			return false;
	}
	errno = ETIMEDOUT;
	return false;
}

static bool await_handshake(int fd, dc_deadline deadline)
{
	struct pollfd waiting = {.fd = fd, .events = POLLOUT};
	socklen_t size = sizeof errno;
	int ready, error;

	do
		ready = poll(&waiting, 1, dc_deadline_left(deadline));
	while (ready < 0 && errno == EINTR);
	if (ready < 0)
		return false;
	if (ready == 0) {
		errno = ETIMEDOUT;
		return false;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return false;
	errno = error;
	return error == 0;
}

static bool connect_endpoint(int fd, const struct dc_endpoint *endpoint, dc_deadline deadline)
{
	if (connect(fd, &endpoint->address.any, endpoint->length) == 0)
		return true;
	if (errno == EINPROGRESS || errno == EINTR)
		return await_handshake(fd, deadline);
	if (errno == EAGAIN && endpoint->address.any.sa_family == AF_UNIX)
		return await_backlog(fd, endpoint, deadline);
	return false;
}

int dc_connect(const struct dc_target *target, const struct dc_peers *peers, dc_deadline deadline)
{
	for (int i = 0; i < target->count; i++) {
		const struct dc_endpoint *endpoint = &target->endpoints[i];
		int share = dc_deadline_left(deadline) / (target->count - i);
		int fd = open_socket(endpoint->address.any.sa_family);

		if (fd < 0)
			continue;
		if (connect_endpoint(fd, endpoint, dc_deadline_in(share)) &&
		    (endpoint->address.any.sa_family != AF_UNIX || dc_peers_allow(peers, fd)))
			return fd;
		dc_close(fd);
	}
	return -1;
}
