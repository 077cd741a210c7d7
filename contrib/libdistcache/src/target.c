#include "target.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

enum { MAX_HOST = 253, MAX_PORT_DIGITS = 5, MAX_PORT = 65535 };

static bool invalid(void)
{
	errno = EINVAL;
	return false;
}

/* after returns the rest of text after prefix, or NULL if text does not start with it. */
static const char *after(const char *text, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

static bool resolve_unix(struct dc_target *target, const char *path)
{
	struct dc_endpoint *endpoint = &target->endpoints[0];
	struct sockaddr_un *un = &endpoint->address.un;
	size_t length = strlen(path);

	/* A path that is too long is refused: shortened, it would name another file. */
	if (length == 0 || length >= sizeof un->sun_path)
		return invalid();
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, length + 1);
	endpoint->length = (socklen_t)sizeof *un;
	target->count = 1;
	return true;
}

static bool is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	long port = 0;

	if (digits == 0 || digits > MAX_PORT_DIGITS || text[digits] != '\0')
		return false;
	for (; *text != '\0'; text++)
		port = port * 10 + (*text - '0');
	return port > 0 && port <= MAX_PORT;
}

/* split writes the host of "host:port" or "[v6]:port" to host, of MAX_HOST + 1 bytes, and returns the
 * port, or NULL when text is neither. */
static const char *split(const char *text, char *host)
{
	const char *colon = strrchr(text, ':');
	size_t length;
	bool bracketed;

	if (!colon || !is_port(colon + 1))
		return NULL;
	length = (size_t)(colon - text);
	bracketed = length > 2 && text[0] == '[' && text[length - 1] == ']';
	if (bracketed) {
		text++;
		length -= 2;
	}
	if (length == 0 || length > MAX_HOST)
		return NULL;
	memcpy(host, text, length);
	host[length] = '\0';
	/* An IPv6 address stands in brackets, and nothing else does. */
	if ((strchr(host, ':') != NULL) != bracketed || strpbrk(host, "[]"))
		return NULL;
	return colon + 1;
}

static int errno_of_lookup(int error)
{
	switch (error) {
	case EAI_SYSTEM:
		return errno;
	case EAI_MEMORY:
		return ENOMEM;
	case EAI_AGAIN:
		return EAGAIN;
	default:
		return EHOSTUNREACH;
	}
}

static void collect(struct dc_target *target, const struct addrinfo *found)
{
	for (; found && target->count < DC_MAX_ENDPOINTS; found = found->ai_next) {
		struct dc_endpoint *endpoint = &target->endpoints[target->count];

		if (found->ai_addrlen > sizeof endpoint->address)
			continue;
		memcpy(&endpoint->address, found->ai_addr, found->ai_addrlen);
		endpoint->length = found->ai_addrlen;
		target->count++;
	}
}

static bool resolve_host(struct dc_target *target, const char *text, int family)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found;
	char host[MAX_HOST + 1];
	const char *port = split(text, host);
	int error;

	if (!port)
		return invalid();
	error = getaddrinfo(host, port, &hints, &found);
	if (error != 0) {
		errno = errno_of_lookup(error);
		return false;
	}
	collect(target, found);
	freeaddrinfo(found);
	errno = EHOSTUNREACH;
	return target->count > 0;
}

bool dc_target_resolve(struct dc_target *target, const char *text)
{
	const char *rest;

	memset(target, 0, sizeof *target);
	if (!text)
		return invalid();
	if ((rest = after(text, "UNIX:")))
		return resolve_unix(target, rest);
	if ((rest = after(text, "IPv4:")))
		return resolve_host(target, rest, AF_INET);
	if ((rest = after(text, "IPv6:")))
		return resolve_host(target, rest, AF_INET6);
	if ((rest = after(text, "IP:")))
		return resolve_host(target, rest, AF_UNSPEC);
	return invalid();
}
