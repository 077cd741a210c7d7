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
};

static bool receive(int fd, struct operation *operation)
{
	unsigned char buffer[RECEIVE_SIZE];
	enum dc_answer_state state = DC_ANSWER_SHORT;

	while (state == DC_ANSWER_SHORT) {
		size_t got = dc_stream_receive(fd, buffer, sizeof buffer, operation->deadline);

		if (got == 0)
			return false;
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

	dc_request_build(&request, question, uid);
	dc_answer_expect(&operation->answer, question->op, uid, operation->payload, operation->room);
	if (dc_stream_send(fd, request.parts, request.count, operation->deadline))
		return receive(fd, operation);
	if (errno == EPIPE)
		errno = ECONNRESET;
	return false;
}

/* let_go keeps a connection that is in the same state as before the operation, and closes any other. */
static void let_go(int fd, const struct operation *operation, bool answered)
{
	bool persistent = operation->ctx->flags & DC_CTX_FLAG_PERSISTENT;

	if (persistent && answered && !operation->answer.surplus)
		dc_pool_give(&operation->ctx->pool, fd);
	else
		dc_close(fd);
}

static bool ask_once(int fd, struct operation *operation)
{
	bool answered = fd >= 0 && ask(fd, operation);

	if (fd >= 0)
		let_go(fd, operation, answered);
	return answered;
}

static bool ask_on_new(struct operation *operation)
{
	return ask_once(dc_connect(&operation->ctx->target, &operation->ctx->peers, operation->deadline), operation);
}

/* ask_on_kept prefers an idle connection. The other side may drop an idle connection at any time, so only
 * that case is retried; on a new connection it would be a fault. */
static bool ask_on_kept(struct operation *operation)
{
	int fd = dc_pool_take(&operation->ctx->pool);

	if (fd < 0)
		return ask_on_new(operation);
	if (ask_once(fd, operation))
		return true;
	if (errno != ECONNRESET || !(operation->ctx->flags & DC_CTX_FLAG_PERSISTENT_RETRY))
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
	answered = ctx->flags & DC_CTX_FLAG_PERSISTENT ? ask_on_kept(&operation) : ask_on_new(&operation);
	dc_silence_learn(&ctx->silence, !answered && errno == ETIMEDOUT, begun);

	*length = operation.answer.length;
	return answered;
}
