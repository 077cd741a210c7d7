#include "answer.h"

#include <string.h>

void dc_answer_expect(struct dc_answer *answer, enum dc_op op, uint32_t uid, unsigned char *payload,
                      size_t room)
{
	memset(answer, 0, sizeof *answer);
	answer->payload = payload;
	answer->room = room;
	dc_put16(answer->expected + DC_OFF_VERSION, DC_VERSION);
	answer->expected[DC_OFF_IS_RESPONSE] = 1;
	dc_put32(answer->expected + DC_OFF_UID, uid);
	answer->expected[DC_OFF_OPERATION] = (unsigned char)op;
}

/* header_byte_is_good checks one byte of a header. All bytes but the patch level, complete and the length
 * are known in advance. */
static bool header_byte_is_good(const struct dc_answer *answer, size_t at, unsigned char byte)
{
	if (at == DC_OFF_PATCH || at == DC_OFF_PATCH + 1 || at >= DC_OFF_DATA_LEN)
		return true;
	if (at == DC_OFF_COMPLETE)
		return byte <= 1;
	return byte == answer->expected[at];
}

/* begin_frame checks the length in a complete header. */
static bool begin_frame(struct dc_answer *answer)
{
	size_t length = dc_get16(answer->header + DC_OFF_DATA_LEN);
	bool complete = answer->header[DC_OFF_COMPLETE] == 1;

	if (length > DC_MAX_FRAME_DATA || (!complete && length != DC_MAX_FRAME_DATA))
		return false;
	if (length > answer->room - answer->length)
		return false;
	answer->frame_left = length;
	return true;
}

/* take_header takes bytes up to the end of the header. It returns their number, or 0 if one is wrong. */
static size_t take_header(struct dc_answer *answer, const unsigned char *bytes, size_t count)
{
	size_t taken = 0;

	while (taken < count && answer->header_len < DC_HEADER_SIZE) {
		if (!header_byte_is_good(answer, answer->header_len, bytes[taken]))
			return 0;
		answer->header[answer->header_len++] = bytes[taken++];
	}
	if (answer->header_len == DC_HEADER_SIZE && !begin_frame(answer))
		return 0;
	return taken;
}

static size_t take_data(struct dc_answer *answer, const unsigned char *bytes, size_t count)
{
	size_t taken = count < answer->frame_left ? count : answer->frame_left;

	if (taken > 0)
		memcpy(answer->payload + answer->length, bytes, taken);
	answer->length += taken;
	answer->frame_left -= taken;
	return taken;
}

enum dc_answer_state dc_answer_feed(struct dc_answer *answer, const unsigned char *bytes, size_t count)
{
	while (count > 0) {
		size_t taken = 0;

		if (answer->header_len < DC_HEADER_SIZE) {
			taken = take_header(answer, bytes, count);
			if (taken == 0)
				return DC_ANSWER_CORRUPT;
		}
		if (answer->header_len == DC_HEADER_SIZE)
			taken += take_data(answer, bytes + taken, count - taken);
		bytes += taken;
		count -= taken;
		if (answer->header_len < DC_HEADER_SIZE || answer->frame_left > 0)
			continue;
		if (answer->header[DC_OFF_COMPLETE] == 1) {
			answer->surplus = count > 0;
			return DC_ANSWER_WHOLE;
		}
		answer->header_len = 0;
	}
	return DC_ANSWER_SHORT;
}
