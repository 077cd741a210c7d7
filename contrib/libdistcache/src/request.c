#include "request.h"

#include <stdbool.h>
#include <string.h>

size_t dc_request_size(const struct dc_question *question)
{
	size_t prefix = question->op == DC_ADD ? DC_ADD_PREFIX_SIZE : 0;

	return prefix + question->id_len + question->data_len;
}

static void write_header(unsigned char *header, enum dc_op op, uint32_t uid, size_t data_len, bool complete)
{
	memset(header, 0, DC_HEADER_SIZE);
	dc_put16(header + DC_OFF_VERSION, DC_VERSION);
	dc_put32(header + DC_OFF_UID, uid);
	header[DC_OFF_OPERATION] = (unsigned char)op;
	header[DC_OFF_COMPLETE] = complete;
	dc_put16(header + DC_OFF_DATA_LEN, (unsigned int)data_len);
}

static void append(struct dc_request *request, const unsigned char *bytes, size_t length)
{
	struct iovec *part = &request->parts[request->count++];

	part->iov_base = (void *)(uintptr_t)bytes; /* it is only sent, never changed */
	part->iov_len = length;
}

/* append_data moves length bytes from the front of pieces to the end of request. */
static void append_data(struct dc_request *request, struct iovec *piece, size_t length)
{
	while (length > 0) {
		size_t taken = piece->iov_len < length ? piece->iov_len : length;

		if (taken == 0) {
			piece++;
			continue;
		}
		append(request, piece->iov_base, taken);
		piece->iov_base = (unsigned char *)piece->iov_base + taken;
		piece->iov_len -= taken;
		length -= taken;
	}
}

static void set_piece(struct iovec *piece, const unsigned char *bytes, size_t length)
{
	piece->iov_base = (void *)(uintptr_t)bytes;
	piece->iov_len = length;
}

void dc_request_build(struct dc_request *request, const struct dc_question *question, uint32_t uid)
{
	struct iovec pieces[DC_MAX_PIECES];
	size_t left = dc_request_size(question);
	bool adds = question->op == DC_ADD;

	dc_put32(request->prefix, question->timeout_msecs);
	dc_put32(request->prefix + 4, question->id_len);
	set_piece(&pieces[0], request->prefix, adds ? sizeof request->prefix : 0);
	set_piece(&pieces[1], question->id, question->id_len);
	set_piece(&pieces[2], question->data, adds ? question->data_len : 0);

	request->count = 0;
	for (int frame = 0; left > 0; frame++) {
		size_t length = left > DC_MAX_FRAME_DATA ? DC_MAX_FRAME_DATA : left;

		left -= length;
		write_header(request->headers[frame], question->op, uid, length, left == 0);
		append(request, request->headers[frame], DC_HEADER_SIZE);
		append_data(request, pieces, length);
	}
}
