/* What becomes of the bytes of an answer, in every cut, and of bytes that are none. */
#include "answer.h"

#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "check.h"

enum { UID = 0x01020304 };

static unsigned char payload[DC_MAX_PAYLOAD];

/* feed feeds bytes in pieces of chunk and returns the last state. */
static enum dc_answer_state feed(struct dc_answer *answer, const unsigned char *bytes, size_t count, size_t chunk)
{
	enum dc_answer_state state = DC_ANSWER_SHORT;

	while (count > 0 && state == DC_ANSWER_SHORT) {
		size_t size = count < chunk ? count : chunk;
		/* A copy of the exact size, so that the address sanitizer sees a read behind it. */
		unsigned char *piece = malloc(size);

		REQUIRE(piece);
		memcpy(piece, bytes, size);
		state = dc_answer_feed(answer, piece, size);
		free(piece);
		bytes += size;
		count -= size;
	}
	return state;
}

static size_t encode(unsigned char *wire, enum dc_op op, const unsigned char *data, size_t length)
{
	struct agent_request request = {.uid = UID, .op = (int)op};

	return agent_encode(wire, &request, data, length);
}

static void test_every_prefix(void)
{
	static unsigned char wire[AGENT_MAX_WIRE], data[DC_MAX_PAYLOAD];
	static const size_t sizes[] = {0, 1, 4, 5, 172, 2020, 2021, 2022, 2023, 2024, 2047, 2048, 2049, 4096, 6000};

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(i * 13 + i / 256);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		size_t length = encode(wire, DC_GET, data, sizes[i]);

		for (size_t cut = 1; cut <= length; cut++) {
			struct dc_answer answer;
			enum dc_answer_state state;

			dc_answer_expect(&answer, DC_GET, UID, payload, sizeof payload);
			state = feed(&answer, wire, cut, cut);
			CHECK_INT("state", state, cut == length ? DC_ANSWER_WHOLE : DC_ANSWER_SHORT);
			if (cut < length)
				state = feed(&answer, wire + cut, length - cut, length);
			CHECK_INT("state with the rest", state, DC_ANSWER_WHOLE);
			CHECK_INT("length", answer.length, sizes[i]);
			CHECK_INT("surplus", answer.surplus, 0);
			CHECK_BYTES("payload", payload, data, sizes[i]);
		}
	}
}

static void test_every_chunk(void)
{
	static unsigned char wire[AGENT_MAX_WIRE], data[DC_MAX_PAYLOAD];
	static const size_t chunks[] = {1, 2, 3, 13, 14, 15, 100, 1024, 2047, 2048, 2061, 2062, 2063, 4096, 40000};
	size_t length;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(i * 17 + i / 256);
	length = encode(wire, DC_GET, data, sizeof data);
	for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
		struct dc_answer answer;

		dc_answer_expect(&answer, DC_GET, UID, payload, sizeof payload);
		CHECK_INT("state", feed(&answer, wire, length, chunks[i]), DC_ANSWER_WHOLE);
		CHECK_INT("length", answer.length, sizeof data);
		CHECK_BYTES("payload", payload, data, sizeof data);
	}
}

static void test_corrupt(void)
{
	static const struct {
		const char *name;
		size_t at; /* the byte that is changed */
		unsigned char to;
		size_t seen_after; /* how many bytes show it */
	} rows[] = {
		{"version, high", 0, 1, 1}, {"version, low", 1, 0x10, 2}, {"a request", 4, 0, 5}, {"response 2", 4, 2, 5},
		{"uid 1", 5, 0, 6}, {"uid 2", 6, 0, 7}, {"uid 3", 7, 0, 8}, {"uid 4", 8, 5, 9}, {"class", 9, 1, 10},
		{"operation of another", 10, 3, 11}, {"operation 4", 10, 4, 11}, {"complete 2", 11, 2, 12},
		{"not complete, short", 11, 0, 14}, {"length over 2048", 12, 9, 14},
	};
	unsigned char wire[128], data[50] = {0};
	size_t length = encode(wire, DC_GET, data, sizeof data);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		unsigned char good = wire[rows[i].at];
		struct dc_answer answer;

		wire[rows[i].at] = rows[i].to;
		dc_answer_expect(&answer, DC_GET, UID, payload, sizeof payload);
		CHECK_INT(rows[i].name, feed(&answer, wire, rows[i].seen_after - 1, 1), DC_ANSWER_SHORT);
		dc_answer_expect(&answer, DC_GET, UID, payload, sizeof payload);
		CHECK_INT(rows[i].name, feed(&answer, wire, rows[i].seen_after, 1), DC_ANSWER_CORRUPT);
		dc_answer_expect(&answer, DC_GET, UID, payload, sizeof payload);
		CHECK_INT(rows[i].name, feed(&answer, wire, length, length), DC_ANSWER_CORRUPT);
		wire[rows[i].at] = good;
	}
}

static void test_patch_level(void)
{
	unsigned char wire[64], data[5] = "abcd";
	size_t length = encode(wire, DC_GET, data, sizeof data);
	struct dc_answer answer;

	wire[2] = 0xff;
	wire[3] = 0x01;
	dc_answer_expect(&answer, DC_GET, UID, payload, sizeof payload);
	CHECK_INT("a newer patch level", feed(&answer, wire, length, length), DC_ANSWER_WHOLE);
}

static void test_second_frame_differs(void)
{
	static const struct {
		const char *name;
		size_t at;
		unsigned char to;
	} rows[] = {{"uid", 8, 9}, {"operation", 10, 3}, {"request", 4, 0}};
	static unsigned char wire[8192], data[3000];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t length = encode(wire, DC_GET, data, sizeof data);
		struct dc_answer answer;

		wire[AGENT_HEADER + AGENT_FRAME_DATA + rows[i].at] = rows[i].to;
		dc_answer_expect(&answer, DC_GET, UID, payload, sizeof payload);
		CHECK_INT(rows[i].name, feed(&answer, wire, length, 100), DC_ANSWER_CORRUPT);
	}
}

static void test_room(void)
{
	static unsigned char wire[AGENT_MAX_WIRE + 4096], data[DC_MAX_PAYLOAD];
	unsigned char tail[64], status;
	struct dc_answer answer;
	size_t length = encode(wire, DC_HAVE, data, 2), full;

	dc_answer_expect(&answer, DC_HAVE, UID, &status, 1);
	CHECK_INT("2 bytes of status", feed(&answer, wire, length, length), DC_ANSWER_CORRUPT);

	/* 16 full frames, none of them the last, and then one more. */
	full = encode(wire, DC_GET, data, DC_MAX_PAYLOAD);
	wire[full - AGENT_FRAME_DATA - AGENT_HEADER + 11] = 0;
	length = encode(tail, DC_GET, data, 0);
	memcpy(wire + full, tail, length);
	dc_answer_expect(&answer, DC_GET, UID, payload, sizeof payload);
	CHECK_INT("an empty 17th frame", feed(&answer, wire, full + length, 1000), DC_ANSWER_WHOLE);
	CHECK_INT("length", answer.length, DC_MAX_PAYLOAD);

	length = encode(tail, DC_GET, data, 1);
	memcpy(wire + full, tail, length);
	dc_answer_expect(&answer, DC_GET, UID, payload, sizeof payload);
	CHECK_INT("a 17th frame with a byte", feed(&answer, wire, full + length, 1000), DC_ANSWER_CORRUPT);
}

static void test_surplus(void)
{
	unsigned char wire[64], data[5] = "abcd";
	size_t length = encode(wire, DC_GET, data, sizeof data);
	struct dc_answer answer;

	wire[length] = 0;
	dc_answer_expect(&answer, DC_GET, UID, payload, sizeof payload);
	CHECK_INT("state", feed(&answer, wire, length + 1, length + 1), DC_ANSWER_WHOLE);
	CHECK_INT("surplus", answer.surplus, 1);
	CHECK_INT("length", answer.length, 5);
}

/* judge_whole is a second opinion: it looks at all bytes at once, as plainly as can be. */
static enum dc_answer_state judge_whole(const unsigned char *b, size_t n, size_t room, size_t *length)
{
	static const unsigned char known[] = {0, 0x11, 0, 0, 1, 1, 2, 3, 4, 0, DC_GET};

	*length = 0;
	for (size_t at = 0;;) {
		size_t data_len;

		for (size_t i = 0; i < sizeof known && at + i < n; i++)
			if (i != 2 && i != 3 && b[at + i] != known[i])
				return DC_ANSWER_CORRUPT;
		if (n - at > 11 && b[at + 11] > 1)
			return DC_ANSWER_CORRUPT;
		if (n - at < 14)
			return DC_ANSWER_SHORT;
		data_len = (size_t)(b[at + 12] * 256 + b[at + 13]);
		if (data_len > 2048 || (b[at + 11] == 0 && data_len < 2048) || *length + data_len > room)
			return DC_ANSWER_CORRUPT;
		if (n - at - 14 < data_len)
			return DC_ANSWER_SHORT;
		*length += data_len;
		if (b[at + 11] == 1)
			return DC_ANSWER_WHOLE;
		at += 14 + data_len;
	}
}

/* spoil changes, cuts or lengthens an answer at random and returns its length. */
static size_t spoil(unsigned char *wire, size_t length, uint64_t *state)
{
	for (uint64_t n = check_random(state) % 3; n > 0; n--) {
		uint64_t header = check_random(state) % (1 + length / 2062) * 2062;
		size_t at = (size_t)header + check_random(state) % 14;

		if (at < length)
			wire[at] = (unsigned char)(check_random(state) % 4 == 0 ? check_random(state) : check_random(state) % 12);
	}
	if (check_random(state) % 3 == 0)
		length = check_random(state) % (length + 1);
	for (uint64_t n = check_random(state) % 4 == 0 ? check_random(state) % 20 : 0; n > 0; n--)
		wire[length++] = (unsigned char)check_random(state);
	return length;
}

static void test_random(void)
{
	static unsigned char wire[AGENT_MAX_WIRE], data[DC_MAX_PAYLOAD];
	uint64_t state = check_seed();
	int seen[3] = {0};

	for (int i = 0; i < 30000; i++) {
		size_t size = check_random(&state) % 8 == 0 ? check_random(&state) % (DC_MAX_PAYLOAD + 1)
		                                            : check_random(&state) % 300;
		size_t room = check_random(&state) % 4 == 0 ? 1 : sizeof payload;
		size_t length = spoil(wire, encode(wire, DC_GET, data, size), &state), want_length;
		enum dc_answer_state want = judge_whole(wire, length, room, &want_length), got;
		struct dc_answer answer;

		dc_answer_expect(&answer, DC_GET, UID, payload, room);
		got = feed(&answer, wire, length, 1 + check_random(&state) % 3000);
		CHECK_INT("state", got, want);
		if (want == DC_ANSWER_WHOLE && got == want)
			CHECK_INT("length", answer.length, want_length);
		seen[want]++;
	}
	for (int i = 0; i < 3; i++)
		CHECK_RANGE("histories of each outcome", seen[i], 1000, 30000);
}

int main(void)
{
	RUN(test_every_prefix);
	RUN(test_every_chunk);
	RUN(test_corrupt);
	RUN(test_patch_level);
	RUN(test_second_frame_differs);
	RUN(test_room);
	RUN(test_surplus);
	RUN(test_random);
	return check_summary();
}
