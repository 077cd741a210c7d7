/* Sending in the face of a slow, absent or departed reader. */
#include "stream.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "connect.h"

enum { SIZE = 300000 };

static unsigned char sent[SIZE], received[SIZE];

static void make_pair(int pair[2])
{
	int size = 1024;

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

/* split makes parts of uneven size, some of them empty, of what is to be sent. */
static size_t split(struct iovec *parts)
{
	static const size_t sizes[] = {14, 2048, 0, 8, 1, 100000, 0};
	size_t count = 0, at = 0;

	for (; count < sizeof sizes / sizeof sizes[0]; count++) {
		parts[count] = (struct iovec){.iov_base = sent + at, .iov_len = sizes[count]};
		at += sizes[count];
	}
	parts[count++] = (struct iovec){.iov_base = sent + at, .iov_len = SIZE - at};
	return count;
}

static void *read_slowly(void *arg)
{
	int fd = *(int *)arg;

	for (size_t at = 0; at < SIZE;) {
		ssize_t got = read(fd, received + at, SIZE - at < 777 ? SIZE - at : 777);

		REQUIRE(got > 0);
		at += (size_t)got;
	}
	return NULL;
}

static void test_slow_reader(void)
{
	struct iovec parts[8];
	pthread_t reader;
	int pair[2];

	for (size_t i = 0; i < SIZE; i++)
		sent[i] = (unsigned char)(i * 11 + i / 256);
	make_pair(pair);
	REQUIRE(pthread_create(&reader, NULL, read_slowly, &pair[1]) == 0);
	CHECK_INT("sent", dc_stream_send(pair[0], parts, split(parts), dc_deadline_in(5000)), 1);
	pthread_join(reader, NULL);
	CHECK_BYTES("what was received", received, sent, SIZE);
	close(pair[0]);
	close(pair[1]);
}

static void test_no_reader(void)
{
	struct iovec parts[8];
	int pair[2];
	long start = check_now();

	make_pair(pair);
	CHECK_INT("sent", dc_stream_send(pair[0], parts, split(parts), dc_deadline_in(100)), 0);
	CHECK_INT("errno", errno, ETIMEDOUT);
	CHECK_RANGE("milliseconds", check_now() - start, 100, 1500);
	close(pair[0]);
	close(pair[1]);
}

static void test_departed_reader(void)
{
	struct iovec parts[8];
	int pair[2];

	REQUIRE(signal(SIGPIPE, SIG_DFL) == SIG_DFL);
	make_pair(pair);
	close(pair[1]);
	CHECK_INT("sent", dc_stream_send(pair[0], parts, split(parts), dc_deadline_in(100)), 0);
	CHECK_INT("errno", errno, EPIPE);
	close(pair[0]);
}

static void test_receive(void)
{
	unsigned char byte = 'x', got;
	int pair[2];
	long start = check_now();

	make_pair(pair);
	CHECK_INT("idle", dc_stream_is_idle(pair[0]), 1);
	CHECK_INT("nothing comes", dc_stream_receive(pair[0], &got, 1, dc_deadline_in(100)), 0);
	CHECK_INT("errno", errno, ETIMEDOUT);
	CHECK_RANGE("milliseconds", check_now() - start, 100, 1500);
	REQUIRE(write(pair[1], &byte, 1) == 1);
	CHECK_INT("idle with a byte there", dc_stream_is_idle(pair[0]), 0);
	CHECK_INT("a byte is there, though no time", dc_stream_receive(pair[0], &got, 1, dc_deadline_in(0)), 1);
	close(pair[1]);
	CHECK_INT("closed", dc_stream_receive(pair[0], &got, 1, dc_deadline_in(100)), 0);
	CHECK_INT("errno", errno, EPIPE);
	CHECK_INT("idle when closed", dc_stream_is_idle(pair[0]), 0);
	close(pair[0]);

	make_pair(pair);
	REQUIRE(write(pair[0], &byte, 1) == 1);
	close(pair[1]);
	CHECK_INT("closed before it was read", dc_stream_receive(pair[0], &got, 1, dc_deadline_in(100)), 0);
	CHECK_INT("errno", errno, ECONNRESET);
	close(pair[0]);
}

static void test_deadline(void)
{
	CHECK_RANGE("left of 1000", dc_deadline_left(dc_deadline_in(1000)), 900, 1001);
	CHECK_INT("left of the past", dc_deadline_left(dc_deadline_in(-1000)), 0);
}

int main(void)
{
	RUN(test_slow_reader);
	RUN(test_no_reader);
	RUN(test_departed_reader);
	RUN(test_receive);
	RUN(test_deadline);
	return check_summary();
}
