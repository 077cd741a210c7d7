/* Sending to and receiving from a connection, within a deadline and without SIGPIPE. */
#ifndef DC_STREAM_H
#define DC_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "deadline.h"

/* dc_stream_send sends all of parts, and changes them on the way. It returns false with errno:
 * ETIMEDOUT, or EPIPE or ECONNRESET when the other side has closed. */
bool dc_stream_send(int fd, struct iovec *parts, size_t count, dc_deadline deadline);

/* dc_stream_receive waits for bytes and returns how many it got, 1 to size, or 0 with errno: ETIMEDOUT,
 * EPIPE when the other side has closed, or ECONNRESET when it has not read all that was sent (over TCP that is
 * not certain). */
size_t dc_stream_receive(int fd, unsigned char *buffer, size_t size, dc_deadline deadline);

/* dc_stream_is_idle reports whether fd is open and has nothing to read. */
bool dc_stream_is_idle(int fd);

#endif
