#include "silence.h"

#include <errno.h>

static int pause_msecs(const struct dc_silence *silence)
{
	return silence->budget_msecs < DC_MAX_PAUSE_MSECS ? silence->budget_msecs : DC_MAX_PAUSE_MSECS;
}

void dc_silence_init(struct dc_silence *silence, int budget_msecs)
{
	silence->budget_msecs = budget_msecs;
	atomic_init(&silence->ask_at, 0);
	atomic_init(&silence->answered_at, 0);
}

bool dc_silence_may_ask(struct dc_silence *silence)
{
	dc_deadline at = atomic_load_explicit(&silence->ask_at, memory_order_relaxed);

	if (at == 0)
		return true;
	/* Who moves the time on is the one that tries. */
	if (dc_deadline_left(at) == 0 &&
	    atomic_compare_exchange_strong(&silence->ask_at, &at,
	                                   dc_deadline_in(silence->budget_msecs + pause_msecs(silence))))
		return true;
	errno = ETIMEDOUT;
	return false;
}

void dc_silence_learn(struct dc_silence *silence, bool timed_out, dc_deadline begun)
{
	if (!timed_out) {
		atomic_store_explicit(&silence->answered_at, dc_deadline_in(0), memory_order_relaxed);
		if (atomic_load_explicit(&silence->ask_at, memory_order_relaxed) != 0)
			atomic_store(&silence->ask_at, 0);
	} else if (atomic_load(&silence->answered_at) <= begun) {
		atomic_store(&silence->ask_at, dc_deadline_in(pause_msecs(silence)));
	}
}
