/* What the last DC_CTX_get_session of the calling thread returned, for DC_CTX_reget_session. It belongs to
 * the thread and not to the context: between a get and its reget, other threads that share the context
 * get other sessions. */
#ifndef DC_LASTGET_H
#define DC_LASTGET_H

#include <stddef.h>

#include "distcache/dc_client.h"
#include "wire.h"

struct dc_last_get {
	unsigned long serial; /* of the context; 0: empty */
	unsigned char id[DC_CTX_MAX_ID];
	unsigned int id_len;
	size_t data_len;
	unsigned char data[DC_MAX_PAYLOAD]; /* pages that no session reaches are never touched */
};

/* dc_last_get_begin wipes the calling thread's last session and returns the place for the next; NULL with
 * ENOMEM if there is no memory. */
struct dc_last_get *dc_last_get_begin(void);

/* dc_last_get_find returns the last session, if it is of this context and ID, or NULL. */
const struct dc_last_get *dc_last_get_find(unsigned long serial, const unsigned char *id, unsigned int id_len);

/* dc_last_get_forget_id wipes the calling thread's last session, if it is of this context and ID. */
void dc_last_get_forget_id(unsigned long serial, const unsigned char *id, unsigned int id_len);

/* dc_last_get_forget wipes the calling thread's last session, if it is of this context. */
void dc_last_get_forget(unsigned long serial);

#endif
