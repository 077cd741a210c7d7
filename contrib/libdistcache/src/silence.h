/* An agent that has fallen silent: it is remembered for a while, so that not every operation waits for it. */
#ifndef DC_SILENCE_H
#define DC_SILENCE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "deadline.h"

/* The longest pause, in milliseconds. A context with a shorter budget pauses for its budget. */
enum { DC_MAX_PAUSE_MSECS = 1000 };

/* Times of the monotonic clock, in milliseconds. */
struct dc_silence {
	int budget_msecs;
	_Atomic dc_deadline ask_at; /* 0: the agent answers */
	_Atomic dc_deadline answered_at; /* the last time */
};

void dc_silence_init(struct dc_silence *silence, int budget_msecs);

/* dc_silence_may_ask returns false with ETIMEDOUT while the agent need not be asked. After a pause it lets one
 * operation try; the others fail until that one is over. */
bool dc_silence_may_ask(struct dc_silence *silence);

/* dc_silence_learn takes the outcome of an operation that began at begun: whether it was timed out. One that the
 * agent did not answer does not count if it has answered another since. */
void dc_silence_learn(struct dc_silence *silence, bool timed_out, dc_deadline begun);

#endif
