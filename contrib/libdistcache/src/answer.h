/* An answer, as it comes in. No sockets here: bytes are fed to it in any cut. */
#ifndef DC_ANSWER_H
#define DC_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

struct dc_answer {
	unsigned char *payload; /* the caller's */
	size_t room; /* how long the payload may become, at most DC_MAX_PAYLOAD */
	size_t length; /* how long it is so far */
	bool surplus; /* bytes came behind the answer */

	unsigned char expected[DC_HEADER_SIZE];
	unsigned char header[DC_HEADER_SIZE];
	size_t header_len; /* how much of the present frame's header is there */
	size_t frame_left; /* how much of its data is not */
};

enum dc_answer_state { DC_ANSWER_SHORT, DC_ANSWER_WHOLE, DC_ANSWER_CORRUPT };

/* dc_answer_expect makes answer wait for the answer to the request with this op and uid. What does not
 * fit into room counts as corrupt. */
void dc_answer_expect(struct dc_answer *answer, enum dc_op op, uint32_t uid, unsigned char *payload,
                      size_t room);

/* dc_answer_feed takes the next bytes of the connection. SHORT: more are needed. CORRUPT is told by the
 * first wrong byte, not when the header is whole. After WHOLE and CORRUPT nothing more may be fed. */
enum dc_answer_state dc_answer_feed(struct dc_answer *answer, const unsigned char *bytes, size_t count);

#endif
