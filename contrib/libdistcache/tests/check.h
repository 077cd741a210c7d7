/* A test program is a main that calls RUN for each test function and ends with check_summary. */
#ifndef DC_CHECK_H
#define DC_CHECK_H

#include <stdint.h>

/* RUN runs a test. One that leaves descriptors open has failed. */
#define RUN(test) check_run(#test, test)
/* CHECK_INT compares numbers; name says what was looked at. */
#define CHECK_INT(name, got, want) check_int(__FILE__, __LINE__, name, (long)(got), (long)(want))
/* CHECK_RANGE wants got to be at least low and at most high. */
#define CHECK_RANGE(name, got, low, high) check_range(__FILE__, __LINE__, name, (long)(got), low, high)
#define CHECK_BYTES(name, got, want, size) check_bytes(__FILE__, __LINE__, name, got, want, size)
/* REQUIRE ends the program when what the test stands on is not there. */
#define REQUIRE(condition) ((condition) ? (void)0 : check_require(__FILE__, __LINE__, #condition))

void check_run(const char *name, void (*test)(void));
void check_int(const char *file, int line, const char *name, long got, long want);
void check_range(const char *file, int line, const char *name, long got, long low, long high);
void check_bytes(const char *file, int line, const char *name, const void *got, const void *want,
                 unsigned long size);
_Noreturn void check_require(const char *file, int line, const char *condition);
/* check_summary returns the exit code of the program. */
int check_summary(void);

/* check_failures returns how many checks have failed, for the exit code of a child process. */
int check_failures(void);

/* check_now returns milliseconds of the monotonic clock. */
long check_now(void);
/* check_descriptors returns how many descriptors are open. */
int check_descriptors(void);
/* check_until waits until test(arg) is true, for 5 seconds at most, and returns what it said last. */
int check_until(int (*test)(void *), void *arg);

/* A generator of random numbers that a seed repeats. check_seed takes DC_SEED from the environment, or the
 * clock, and prints it. */
uint64_t check_seed(void);
uint64_t check_random(uint64_t *state);

#endif
