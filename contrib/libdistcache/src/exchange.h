/* One request and its answer. */
#ifndef DC_EXCHANGE_H
#define DC_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "context.h"
#include "request.h"

/* dc_exchange asks question and writes the answer's payload, at most room bytes, to payload. It returns
 * false with errno when there is no such answer within the context's budget. */
bool dc_exchange(DC_CTX *ctx, const struct dc_question *question, unsigned char *payload, size_t room,
                 size_t *length);

#endif
