/* An answer, as it arrives. There are no sockets here: the caller feeds it bytes, cut anywhere. */
#ifndef DC_ANSWER_H
#define DC_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

struct dc_answer {
	unsigned char *payload; /* the caller's */
	size_t room; /* the space in payload, at most DC_MAX_PAYLOAD */
	size_t length; /* the length of the payload so far */
	bool surplus; /* bytes followed the answer */

	unsigned char expected[DC_HEADER_SIZE];
	unsigned char header[DC_HEADER_SIZE];
	size_t header_len; /* bytes of the current frame's header received */
	size_t frame_left; /* bytes of its data still missing */
};

enum dc_answer_state { DC_ANSWER_SHORT, DC_ANSWER_WHOLE, DC_ANSWER_CORRUPT };

/* dc_answer_expect prepares answer for the answer to the request with this op and uid. A payload that
 * does not fit into room is corrupt. */
void dc_answer_expect(struct dc_answer *answer, enum dc_op op, uint32_t uid, unsigned char *payload,
                      size_t room);

/* dc_answer_feed takes the next bytes of the connection. SHORT: more bytes are needed. CORRUPT is returned
 * at the first wrong byte, before the header is complete. After WHOLE or CORRUPT it must not be called. */
enum dc_answer_state dc_answer_feed(struct dc_answer *answer, const unsigned char *bytes, size_t count);

#endif
