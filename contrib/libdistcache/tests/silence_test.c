/* When an agent that has fallen silent is asked again. */
#include "silence.h"

#include <errno.h>
#include <unistd.h>

#include "check.h"

enum { NEVER = 3600000, SHORT = 20 };

static void test_one_tries(void)
{
	struct dc_silence silence;

	dc_silence_init(&silence, SHORT);
	CHECK_INT("at first", dc_silence_may_ask(&silence), 1);
	dc_silence_learn(&silence, true, dc_deadline_in(0));
	usleep(2 * SHORT * 1000);
	silence.budget_msecs = NEVER; /* the one that tries is still under way */
	CHECK_INT("one tries after the pause", dc_silence_may_ask(&silence), 1);
	errno = 0;
	CHECK_INT("another does not", dc_silence_may_ask(&silence), 0);
	CHECK_INT("errno", errno, ETIMEDOUT);
	dc_silence_learn(&silence, false, dc_deadline_in(0));
	CHECK_INT("after an answer", dc_silence_may_ask(&silence), 1);
}

static void test_answered_meanwhile(void)
{
	struct dc_silence silence;
	dc_deadline before;

	dc_silence_init(&silence, NEVER);
	before = dc_deadline_in(-1);
	dc_silence_learn(&silence, false, before);
	dc_silence_learn(&silence, true, before);
	CHECK_INT("another operation was answered since it began", dc_silence_may_ask(&silence), 1);
	dc_silence_learn(&silence, true, dc_deadline_in(1));
	CHECK_INT("none was", dc_silence_may_ask(&silence), 0);
}

int main(void)
{
	RUN(test_one_tries);
	RUN(test_answered_meanwhile);
	return check_summary();
}
