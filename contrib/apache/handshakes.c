/* TLS handshakes by the hundred, for test.sh.
 *
 *   handshakes ports N                        prints N free ports of 127.0.0.1
 *   handshakes full ROUNDS TLS PORT PORT      100 full handshakes a round with each in turn; prints times in ms
 *   handshakes cross THREADS COUNT TLS PORT PORT
 *                                             each thread: a full handshake with one, two resumptions with the
 *                                             other, and so on; prints the number of each outcome
 *
 * TLS is 1.2 or 1.3. Times are from connect to the end of the handshake and the first byte of an answer to
 * GET /, which in TLS 1.3 comes after the tickets, that is after the server has stored the session. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum outcome { FAILED, FULL, RESUMED };

static double now_msecs(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	                            .sin_port = htons((uint16_t)port)};
}

static int print_ports(int count)
{
	for (int i = 0; i < count; i++) {
		struct sockaddr_in address = loopback(0);
		socklen_t size = sizeof address;
		int fd = socket(AF_INET, SOCK_STREAM, 0); /* left open, so that the next is another */

		if (bind(fd, (struct sockaddr *)&address, size) < 0 ||
		    getsockname(fd, (struct sockaddr *)&address, &size) < 0)
			return 1;
		printf("%d\n", ntohs(address.sin_port));
	}
	return 0;
}

/* on_session keeps the newest session of a connection in its application data. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION **newest = SSL_get_app_data(ssl);

	SSL_SESSION_free(*newest);
	*newest = session;
	return 1; /* the reference is ours now */
}

static SSL_CTX *new_client(const char *tls)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int version = strcmp(tls, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;

	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	return ctx;
}

static int dial(int port)
{
	struct sockaddr_in address = loopback(port);
	struct timeval limit = {.tv_sec = 10};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	close(fd);
	return -1;
}

static enum outcome talk(SSL *ssl)
{
	static const char request[] = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";
	char answer[1024];

	if (SSL_connect(ssl) != 1 || SSL_write(ssl, request, sizeof request - 1) <= 0 ||
	    SSL_read(ssl, answer, sizeof answer) <= 0)
		return FAILED;
	return SSL_session_reused(ssl) ? RESUMED : FULL;
}

/* handshake offers *session, if there is one, and replaces it by the newest that the server gives. */
static enum outcome handshake(SSL_CTX *ctx, int port, SSL_SESSION **session)
{
	SSL *ssl = SSL_new(ctx);
	int fd = dial(port);
	enum outcome outcome = FAILED;

	SSL_set_app_data(ssl, session);
	SSL_set_tlsext_host_name(ssl, "localhost");
	if (*session)
		SSL_set_session(ssl, *session);
	if (fd >= 0 && SSL_set_fd(ssl, fd) == 1)
		outcome = talk(ssl);
	SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
	return outcome;
}

static int by_size(const void *a, const void *b)
{
	double difference = *(const double *)a - *(const double *)b;

	return (difference > 0) - (difference < 0);
}

static double percentile(double *times, int count, int percent)
{
	qsort(times, (size_t)count, sizeof *times, by_size);
	return times[(count - 1) * percent / 100];
}

/* The handshakes with one port. */
struct series {
	int port;
	double *times; /* milliseconds */
	int outcomes[3];
};

static void take_turn(struct series *series, SSL_CTX *ctx, int at)
{
	SSL_SESSION *session = NULL;
	double start = now_msecs();

	series->outcomes[handshake(ctx, series->port, &session)]++;
	series->times[at] = now_msecs() - start;
	SSL_SESSION_free(session);
}

static void print_series(struct series *series, int count)
{
	printf("port=%d full=%d resumed=%d failed=%d p50=%.2f", series->port, series->outcomes[FULL],
	       series->outcomes[RESUMED], series->outcomes[FAILED], percentile(series->times, count, 50));
	printf(" p99=%.2f max=%.2f\n", percentile(series->times, count, 99), percentile(series->times, count, 100));
}

/* measure alternates between the two ports, so that other load falls on both. p99_more is the first port's p99
 * minus the second's. On a busy machine bursts of other work decide that, so there is
 * p99_more_quiet too: the same of each round, and of those the lower quartile. A cause that makes one handshake
 * in thirty slow shows in it, and a burst does not. */
static int measure(int rounds, const char *tls, const int *ports)
{
	enum { ROUND = 100 };
	SSL_CTX *ctx = new_client(tls);
	size_t size = (size_t)(rounds * ROUND) * sizeof(double);
	struct series first = {.port = ports[0], .times = malloc(size)};
	struct series second = {.port = ports[1], .times = malloc(size)};
	double *more = malloc(size), p99;

	for (int round = 0; round < rounds; round++) {
		int from = round * ROUND;

		for (int i = from; i < from + ROUND; i++) {
			take_turn(&first, ctx, i);
			take_turn(&second, ctx, i);
		}
		more[round] = percentile(first.times + from, ROUND, 99) - percentile(second.times + from, ROUND, 99);
	}
	print_series(&first, rounds * ROUND);
	print_series(&second, rounds * ROUND);
	p99 = percentile(second.times, rounds * ROUND, 99);
	printf("p99=%.2f p99_more=%.2f p99_more_quiet=%.2f\n", p99,
	       percentile(first.times, rounds * ROUND, 99) - p99, percentile(more, rounds, 25));
	free(first.times);
	free(second.times);
	free(more);
	SSL_CTX_free(ctx);
	return 0;
}

struct crossing {
	pthread_t thread;
	SSL_CTX *ctx;
	const int *ports;
	int count;
};

static atomic_int begun, resumed, not_resumed, failed;

static void cross_once(const struct crossing *crossing, int round)
{
	SSL_SESSION *session = NULL;

	switch (handshake(crossing->ctx, crossing->ports[round % 2], &session)) {
	case FULL:
		begun++;
		break;
	default:
		failed++;
	}
	for (int i = 0; i < 2 && session; i++) {
		enum outcome outcome = handshake(crossing->ctx, crossing->ports[(round + 1) % 2], &session);

		resumed += outcome == RESUMED;
		not_resumed += outcome == FULL;
		failed += outcome == FAILED;
	}
	SSL_SESSION_free(session);
}

static void *cross_often(void *arg)
{
	for (int i = 0; i < ((struct crossing *)arg)->count; i++)
		cross_once(arg, i);
	return NULL;
}

static int cross(int threads, int count, const char *tls, const int *ports)
{
	struct crossing *crossings = calloc((size_t)threads, sizeof *crossings);
	SSL_CTX *ctx = new_client(tls);
	double start = now_msecs();

	for (int i = 0; i < threads; i++) {
		crossings[i] = (struct crossing){.ctx = ctx, .ports = ports, .count = count / threads};
		if (pthread_create(&crossings[i].thread, NULL, cross_often, &crossings[i]) != 0)
			return 1;
	}
	for (int i = 0; i < threads; i++)
		pthread_join(crossings[i].thread, NULL);
	printf("tls=%s threads=%d full=%d resumed=%d not_resumed=%d failed=%d seconds=%.1f\n", tls, threads, begun,
	       resumed, not_resumed, failed, (now_msecs() - start) / 1e3);
	free(crossings);
	SSL_CTX_free(ctx);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "ports") == 0)
		return print_ports(atoi(argv[2]));
	if (argc == 6 && strcmp(argv[1], "full") == 0)
		return measure(atoi(argv[2]), argv[3], (int[]){atoi(argv[4]), atoi(argv[5])});
	if (argc == 7 && strcmp(argv[1], "cross") == 0)
		return cross(atoi(argv[2]), atoi(argv[3]), argv[4], (int[]){atoi(argv[5]), atoi(argv[6])});
	fprintf(stderr, "usage: see the head of handshakes.c\n");
	return 2;
}
