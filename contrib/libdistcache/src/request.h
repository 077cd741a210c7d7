/* A request, cut into frames. */
#ifndef DC_REQUEST_H
#define DC_REQUEST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "wire.h"

/* A question. Absent pieces of the payload have length 0. */
struct dc_question {
	enum dc_op op;
	uint32_t timeout_msecs; /* ADD */
	const unsigned char *id;
	unsigned int id_len; /* 1 to 64 */
	const unsigned char *data; /* ADD */
	unsigned int data_len;
};

/* The payload has at most three pieces: the prefix of ADD, the ID, the data. */
enum { DC_MAX_PIECES = 3, DC_MAX_PARTS = 2 * DC_MAX_FRAMES + DC_MAX_PIECES };

/* The frames of a request as parts to send: its own headers, and the caller's bytes without a copy. */
struct dc_request {
	unsigned char prefix[DC_ADD_PREFIX_SIZE];
	unsigned char headers[DC_MAX_FRAMES][DC_HEADER_SIZE];
	struct iovec parts[DC_MAX_PARTS];
	size_t count;
};

/* dc_request_size returns the length of the payload, in bytes. */
size_t dc_request_size(const struct dc_question *question);

/* dc_request_build cuts question into frames. The payload must be at most DC_MAX_PAYLOAD, and request
 * refers to the bytes of question. */
void dc_request_build(struct dc_request *request, const struct dc_question *question, uint32_t uid);

#endif
