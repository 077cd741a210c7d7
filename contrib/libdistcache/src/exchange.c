#include "exchange.h"

#include <errno.h>
#include <string.h>

#include "answer.h"
#include "connect.h"
#include "stream.h"

/* Large enough for any TLS session in one call, small enough for the stack of any thread. */
enum { RECEIVE_SIZE = 4096 };

/* An operation under way. */
struct operation {
	DC_CTX *ctx;
	const struct dc_question *question;
	struct dc_answer answer;
	unsigned char *payload;
	size_t room;
	dc_deadline deadline;
	bool untaken; /* the connection was closed before the agent had read the whole request */
};

static bool receive(int fd, struct operation *operation)
{
	unsigned char buffer[RECEIVE_SIZE];
	enum dc_answer_state state = DC_ANSWER_SHORT;
	bool heard = false;

	while (state == DC_ANSWER_SHORT) {
		size_t got = dc_stream_receive(fd, buffer, sizeof buffer, operation->deadline);

		if (got == 0) {
			bool is_unix = operation->ctx->target.endpoints[0].address.any.sa_family == AF_UNIX;

			operation->untaken = errno == ECONNRESET && is_unix && !heard;
			return false;
		}
		heard = true;
		state = dc_answer_feed(&operation->answer, buffer, got);
		explicit_bzero(buffer, got); /* a session is a secret */
	}
	if (state == DC_ANSWER_CORRUPT)
		errno = EPROTO;
	return state == DC_ANSWER_WHOLE;
}

/* ask sends the request on fd and receives the answer. */
static bool ask(int fd, struct operation *operation)
{
	const struct dc_question *question = operation->question;
	struct dc_request request;
	uint32_t uid = atomic_fetch_add_explicit(&operation->ctx->next_uid, 1, memory_order_relaxed);
	bool answered;

	operation->untaken = false;
	dc_request_build(&request, question, uid);
	dc_answer_expect(&operation->answer, question->op, uid, operation->payload, operation->room);
	if (dc_stream_send(fd, request.parts, request.count, operation->deadline)) {
		answered = receive(fd, operation);
	} else {
		answered = false;
		operation->untaken = errno == EPIPE || errno == ECONNRESET;
	}
	if (!answered && errno == EPIPE)
		errno = ECONNRESET;
	return answered;
}

/* ask_once keeps the connection if it is in the same state as before the operation, and closes any other. */
static bool ask_once(const struct dc_connection *connection, struct operation *operation)
{
	bool answered = ask(connection->fd, operation);

	if (answered && !operation->answer.surplus)
		dc_pool_give(&operation->ctx->pool, connection);
	else
		dc_close(connection->fd);
	return answered;
}

static bool ask_on_new(struct operation *operation)
{
	DC_CTX *ctx = operation->ctx;
	int fd = dc_connect(&ctx->target, &ctx->peers, operation->deadline);
	struct dc_connection connection = {.fd = fd};

	if (ctx->pool.most > 0)
		connection = dc_connection_of(fd);
	return fd >= 0 && ask_once(&connection, operation);
}

/* may_repeat reports whether an operation whose kept connection closed under way is tried once more, over a new
 * one: on a new connection that would be a fault. A request that the agent did not take whole was not carried out,
 * so to repeat it is to send it once. Otherwise nobody knows: it is repeated if the context says RETRY, or, where the
 * program asked for a connection of its own, if asking twice changes nothing. An add or a remove then fails as it does
 * on a new connection: told twice, it could be answered “exists already” or “no such session” by its own effect. */
static bool may_repeat(const struct operation *operation)
{
	unsigned int flags = operation->ctx->flags;

	if (errno != ECONNRESET || operation->untaken)
		return errno == ECONNRESET;
	if (flags & DC_CTX_FLAG_PERSISTENT)
		return flags & DC_CTX_FLAG_PERSISTENT_RETRY;
	return operation->question->op == DC_GET || operation->question->op == DC_HAVE;
}

/* ask_on_kept prefers an idle connection. */
static bool ask_on_kept(struct operation *operation)
{
	struct dc_connection kept;

	if (!dc_pool_take(&operation->ctx->pool, &kept))
		return ask_on_new(operation);
	if (ask_once(&kept, operation))
		return true;
	if (!may_repeat(operation))
		return false;
	explicit_bzero(operation->payload, operation->answer.length); /* the next answer may be shorter */
	return ask_on_new(operation);
}

bool dc_exchange(DC_CTX *ctx, const struct dc_question *question, unsigned char *payload, size_t room,
                 size_t *length)
{
	struct operation operation = {.ctx = ctx, .question = question, .payload = payload, .room = room,
	                              .deadline = dc_deadline_in(ctx->budget_msecs)};
	dc_deadline begun = dc_deadline_in(0);
	bool answered;

	*length = 0;
	if (!dc_silence_may_ask(&ctx->silence))
		return false;
	answered = ask_on_kept(&operation);
	dc_silence_learn(&ctx->silence, !answered && errno == ETIMEDOUT, begun);

	*length = operation.answer.length;
	return answered;
}
