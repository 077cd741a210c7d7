#include "lastget.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A key, and not _Thread_local, because its destructor wipes the session when the thread ends, and because
 * 32 KB of thread-local storage would come off the stack of every thread of the process. */
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_bool has_key;

static void wipe(struct dc_last_get *last)
{
	explicit_bzero(last->data, last->data_len);
	last->data_len = 0;
	last->serial = 0;
}

static void wipe_and_free(void *last)
{
	wipe(last);
	free(last);
}

static void create_key(void)
{
	has_key = pthread_key_create(&key, wipe_and_free) == 0;
}

/* delete_key runs when the library is unloaded or the process ends. After that no thread may call a
 * destructor that is gone. */
__attribute__((destructor)) static void delete_key(void)
{
	void *last = has_key ? pthread_getspecific(key) : NULL;

	if (last)
		wipe_and_free(last);
	if (has_key)
		pthread_key_delete(key);
	has_key = false;
}

static struct dc_last_get *own(void)
{
	pthread_once(&once, create_key);
	return has_key ? pthread_getspecific(key) : NULL;
}

static struct dc_last_get *create(void)
{
	struct dc_last_get *last = has_key ? malloc(sizeof *last) : NULL;

	if (!last) {
		errno = ENOMEM;
		return NULL;
	}
	last->serial = 0;
	last->data_len = 0;
	if (pthread_setspecific(key, last) != 0) {
		free(last);
		errno = ENOMEM;
		return NULL;
	}
	return last;
}

struct dc_last_get *dc_last_get_begin(void)
{
	struct dc_last_get *last = own();

	if (!last)
		return create();
	wipe(last);
	return last;
}

static struct dc_last_get *find(unsigned long serial, const unsigned char *id, unsigned int id_len)
{
	struct dc_last_get *last = own();
	bool same = last && last->serial == serial && last->id_len == id_len && memcmp(last->id, id, id_len) == 0;

	return same ? last : NULL;
}

const struct dc_last_get *dc_last_get_find(unsigned long serial, const unsigned char *id, unsigned int id_len)
{
	return find(serial, id, id_len);
}

void dc_last_get_forget_id(unsigned long serial, const unsigned char *id, unsigned int id_len)
{
	struct dc_last_get *last = find(serial, id, id_len);

	if (last)
		wipe(last);
}

void dc_last_get_forget(unsigned long serial)
{
	struct dc_last_get *last = own();

	if (last && last->serial == serial)
		wipe(last);
}
