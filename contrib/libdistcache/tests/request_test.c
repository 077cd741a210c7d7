/* The bytes of requests. */
#include "request.h"

#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "check.h"

static unsigned char *flatten(const struct dc_request *request, size_t *length)
{
	unsigned char *wire = malloc(AGENT_MAX_WIRE);

	REQUIRE(wire);
	*length = 0;
	for (size_t i = 0; i < request->count; i++) {
		memcpy(wire + *length, request->parts[i].iov_base, request->parts[i].iov_len);
		*length += request->parts[i].iov_len;
	}
	return wire;
}

/* test_golden compares with requests that were recorded from the old tools. */
static void test_golden(void)
{
	static const unsigned char id[] = "0123456789abcdef0123456789abcdef", data[] = "DDDDDDDDDD";
	static const unsigned char add[] =
		"\x00\x11\x00\x00\x00\xde\xad\xbe\xef\x00\x00\x01\x00\x32\x00\x00\xea\x60\x00\x00\x00\x20"
		"0123456789abcdef0123456789abcdefDDDDDDDDDD";
	static const unsigned char have[] =
		"\x00\x11\x00\x00\x00\xde\xad\xbe\xef\x00\x03\x01\x00\x20" "0123456789abcdef0123456789abcdef";
	struct dc_question question = {.op = DC_ADD, .timeout_msecs = 60000, .id = id, .id_len = 32, .data = data,
	                               .data_len = 10};
	struct dc_request request;
	unsigned char *wire;
	size_t length;

	dc_request_build(&request, &question, 0xdeadbeef);
	wire = flatten(&request, &length);
	CHECK_INT("ADD, length", length, sizeof add - 1);
	CHECK_BYTES("ADD", wire, add, sizeof add - 1);
	free(wire);

	question = (struct dc_question){.op = DC_HAVE, .id = id, .id_len = 32};
	dc_request_build(&request, &question, 0xdeadbeef);
	wire = flatten(&request, &length);
	CHECK_INT("HAVE, length", length, sizeof have - 1);
	CHECK_BYTES("HAVE", wire, have, sizeof have - 1);
	free(wire);
}

/* join checks the frames of an ADD and writes their payload to payload. */
static size_t join(const unsigned char *wire, size_t length, unsigned char *payload)
{
	size_t joined = 0;

	for (size_t at = 0; at < length;) {
		size_t data_len = (size_t)wire[at + 12] << 8 | wire[at + 13];
		bool last = at + AGENT_HEADER + data_len == length;

		CHECK_INT("complete", wire[at + 11], last);
		if (!last)
			CHECK_INT("data of a frame that others follow", data_len, AGENT_FRAME_DATA);
		CHECK_RANGE("data of a frame", data_len, 1, AGENT_FRAME_DATA);
		memcpy(payload + joined, wire + at + AGENT_HEADER, data_len);
		joined += data_len;
		at += AGENT_HEADER + data_len;
	}
	return joined;
}

static void test_every_cut(void)
{
	static const unsigned int sizes[] = {1, 2, 1975, 1976, 1977, 2007, 2008, 2039, 2040, 2041, 2048, 4088, 30000,
	                                     32695, 32696, 32759};
	static unsigned char data[AGENT_MAX_PAYLOAD], payload[AGENT_MAX_PAYLOAD];
	unsigned char id[64];

	memset(id, 'i', sizeof id);
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(i * 7 + i / 256);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		for (unsigned int id_len = 1; id_len <= 64 && 8 + id_len + sizes[i] <= AGENT_MAX_PAYLOAD; id_len++) {
			struct dc_question question = {.op = DC_ADD, .id = id, .id_len = id_len, .data = data,
			                               .data_len = sizes[i]};
			struct dc_request request;
			unsigned char *wire;
			size_t length;

			dc_request_build(&request, &question, 1);
			CHECK_RANGE("parts", request.count, 1, DC_MAX_PARTS);
			wire = flatten(&request, &length);
			CHECK_INT("payload", join(wire, length, payload), 8 + id_len + sizes[i]);
			CHECK_BYTES("ID", payload + 8, id, id_len);
			CHECK_BYTES("data", payload + 8 + id_len, data, sizes[i]);
			free(wire);
		}
	}
}

int main(void)
{
	RUN(test_golden);
	RUN(test_every_cut);
	return check_summary();
}
