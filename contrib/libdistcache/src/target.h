/* The address of the agent, in libnal syntax, and what it resolves to. */
#ifndef DC_TARGET_H
#define DC_TARGET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The most addresses of a name that are tried. */
enum { DC_MAX_ENDPOINTS = 8 };

struct dc_endpoint {
	union {
		struct sockaddr any;
		struct sockaddr_un un;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} address;
	socklen_t length;
};

struct dc_target {
	struct dc_endpoint endpoints[DC_MAX_ENDPOINTS];
	int count;
};

/* dc_target_resolve parses text and looks up its host name. It returns false with EINVAL if text is not an
 * address to connect to, and with EHOSTUNREACH, EAGAIN or ENOMEM if the look-up fails. */
bool dc_target_resolve(struct dc_target *target, const char *text);

#endif
