#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

/* await waits until fd is ready for events or has failed. The next call on fd reports the failure. */
static bool await(int fd, short events, dc_deadline deadline)
{
	struct pollfd waiting = {.fd = fd, .events = events};
	int ready;

	do
		ready = poll(&waiting, 1, dc_deadline_left(deadline));
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		errno = ETIMEDOUT;
	return ready > 0;
}

/* is_passing reports whether the call that set errno must be repeated once fd is ready. */
static bool is_passing(void)
{
	return errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK;
}

/* skip removes sent bytes from the front of message. */
static void skip(struct msghdr *message, size_t sent)
{
	while (message->msg_iovlen > 0 && sent >= message->msg_iov->iov_len) {
		sent -= message->msg_iov->iov_len;
		message->msg_iov++;
		message->msg_iovlen--;
	}
	if (sent > 0) {
		message->msg_iov->iov_base = (unsigned char *)message->msg_iov->iov_base + sent;
		message->msg_iov->iov_len -= sent;
	}
}

bool dc_stream_send(int fd, struct iovec *parts, size_t count, dc_deadline deadline)
{
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};

	while (message.msg_iovlen > 0) {
		ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent >= 0)
			skip(&message, (size_t)sent);
		else if (!is_passing() || !await(fd, POLLOUT, deadline))
			return false;
	}
	return true;
}

size_t dc_stream_receive(int fd, unsigned char *buffer, size_t size, dc_deadline deadline)
{
	while (await(fd, POLLIN, deadline)) {
		ssize_t got = recv(fd, buffer, size, MSG_DONTWAIT);

		if (got > 0)
			return (size_t)got;
		if (got == 0)
			errno = EPIPE;
		if (got == 0 || !is_passing())
			return 0;
	}
	return 0;
}

bool dc_stream_is_idle(int fd)
{
	unsigned char byte;
	ssize_t got;

	do
		got = recv(fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}
