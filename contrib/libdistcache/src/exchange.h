/* One request and its answer. */
#ifndef DC_EXCHANGE_H
#define DC_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "context.h"
#include "request.h"

/* dc_exchange sends question and writes the payload of the answer, at most room bytes, to payload. It
 * returns false with errno if no such answer arrives within the context's budget. */
bool dc_exchange(DC_CTX *ctx, const struct dc_question *question, unsigned char *payload, size_t room,
                 size_t *length);

#endif
