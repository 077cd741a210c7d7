/* The wire protocol 0x11, as far as a client needs it (docs/PROTOCOL.md of the project). */
#ifndef DC_WIRE_H
#define DC_WIRE_H

#include <stddef.h>
#include <stdint.h>

enum {
	DC_VERSION = 0x0011,
	DC_HEADER_SIZE = 4 + 1 + 4 + 1 + 1 + 1 + 2,
	DC_MAX_FRAME_DATA = 2048,
	DC_MAX_FRAMES = 16,
	DC_MAX_PAYLOAD = DC_MAX_FRAMES * DC_MAX_FRAME_DATA,
	DC_ADD_PREFIX_SIZE = 4 + 4, /* timeout, id_len */
	DC_MAX_TIMEOUT_MSECS = 604800000,
};

/* Offsets of the fields of a header. */
enum {
	DC_OFF_VERSION = 0,
	DC_OFF_PATCH = 2,
	DC_OFF_IS_RESPONSE = 4,
	DC_OFF_UID = 5,
	DC_OFF_CLASS = 9,
	DC_OFF_OPERATION = 10,
	DC_OFF_COMPLETE = 11,
	DC_OFF_DATA_LEN = 12,
};

enum dc_op { DC_ADD = 0, DC_GET = 1, DC_REMOVE = 2, DC_HAVE = 3 };

enum dc_status {
	DC_STATUS_OK = 0,
	DC_STATUS_NOTOK = 1,
	DC_STATUS_DISCONNECTED = 2,
	DC_STATUS_ADD_CORRUPT = 100,
	DC_STATUS_ADD_EXISTS = 101,
	DC_STATUS_ADD_TIMEOUT = 102,
	DC_STATUS_ADD_ID_LEN = 103,
	DC_STATUS_ADD_DATA_LEN = 104,
};

static inline void dc_put16(unsigned char *at, unsigned int value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

static inline void dc_put32(unsigned char *at, uint32_t value)
{
	dc_put16(at, value >> 16);
	dc_put16(at + 2, value & 0xffff);
}

static inline unsigned int dc_get16(const unsigned char *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

#endif
