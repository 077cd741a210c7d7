#include "epoch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

/* The number of this process; 0: none yet. It is in a page that the kernel clears in the child, whichever call
 * made it, or, before Linux 4.14, in ordinary memory that a handler of fork clears. */
static atomic_ulong without_page;
static atomic_ulong *current = &without_page;

/* The last number given. A child inherits it, so what the child counts on to is new. */
static atomic_ulong last;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void clear(void)
{
	atomic_store(&without_page, 0);
}

static void set_up(void)
{
	void *page = mmap(NULL, sizeof *current, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page != MAP_FAILED && madvise(page, sizeof *current, MADV_WIPEONFORK) == 0) {
		current = page;
		return;
	}
	if (page != MAP_FAILED)
		munmap(page, sizeof *current);
	pthread_atfork(NULL, NULL, clear);
}

unsigned long dc_epoch(void)
{
	unsigned long epoch, fresh;

	pthread_once(&once, set_up);
	epoch = atomic_load(current);
	if (epoch != 0)
		return epoch;
	fresh = atomic_fetch_add(&last, 1) + 1;
	/* Another thread of the same process may be first: epoch then becomes its number. */
	return atomic_compare_exchange_strong(current, &epoch, fresh) ? fresh : epoch;
}
