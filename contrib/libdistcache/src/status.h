/* Operations that are answered by one byte of status. */
#ifndef DC_STATUS_H
#define DC_STATUS_H

#include "context.h"
#include "request.h"

/* dc_status_ask sends question and returns the status, or -1 with errno if there is none. An empty answer,
 * which an old dc_client sends while it has no connection to its server, counts as DISCONNECTED. */
int dc_status_ask(DC_CTX *ctx, const struct dc_question *question);

/* dc_status_errno returns the errno for a status that is not OK: NOTOK is ENOENT. */
int dc_status_errno(int status);

#endif
