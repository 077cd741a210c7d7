/* The addresses that DC_CTX_new takes. */
#include "target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

#define LETTERS10 "abcdefghij"
#define LETTERS100 LETTERS10 LETTERS10 LETTERS10 LETTERS10 LETTERS10 \
	LETTERS10 LETTERS10 LETTERS10 LETTERS10 LETTERS10

static void test_good(void)
{
	static const struct {
		const char *text;
		int family;
		const char *want; /* path, or address and port */
	} rows[] = {
		{"UNIX:/tmp/scache", AF_UNIX, "/tmp/scache"},
		{"UNIX:/" LETTERS100 "abcdef", AF_UNIX, "/" LETTERS100 "abcdef"},
		{"UNIX:relative", AF_UNIX, "relative"},
		{"IP:127.0.0.1:9001", AF_INET, "127.0.0.1 9001"},
		{"IPv4:127.0.0.1:1", AF_INET, "127.0.0.1 1"},
		{"IP:[::1]:9001", AF_INET6, "::1 9001"},
		{"IPv6:[::1]:65535", AF_INET6, "::1 65535"},
		{"IPv4:localhost:9001", AF_INET, "127.0.0.1 9001"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct dc_target target;
		struct dc_endpoint *first = &target.endpoints[0];
		char got[160] = "", host[INET6_ADDRSTRLEN] = "";
		int family;

		CHECK_INT(rows[i].text, dc_target_resolve(&target, rows[i].text), 1);
		family = first->address.any.sa_family;
		CHECK_INT(rows[i].text, family, rows[i].family);
		if (family == AF_UNIX)
			snprintf(got, sizeof got, "%s", first->address.un.sun_path);
		else if (family == AF_INET)
			snprintf(got, sizeof got, "%s %d", inet_ntop(family, &first->address.in.sin_addr, host, sizeof host),
			         ntohs(first->address.in.sin_port));
		else
			snprintf(got, sizeof got, "%s %d", inet_ntop(family, &first->address.in6.sin6_addr, host, sizeof host),
			         ntohs(first->address.in6.sin6_port));
		if (strcmp(got, rows[i].want) != 0)
			fprintf(stderr, "%s: got %s, want %s\n", rows[i].text, got, rows[i].want);
		CHECK_INT(rows[i].text, strcmp(got, rows[i].want), 0);
	}
}

static void test_bad(void)
{
	static const char *const rows[] = {
		NULL, "", "UNIX", "UNIX:", "unix:/tmp/a", "/tmp/scache", "UNIX:/" LETTERS100 "abcdefg",
		"IP", "IP:", "IP:9001", "IP::9001", "IP:127.0.0.1", "IP:127.0.0.1:", "IP:127.0.0.1:0",
		"IP:127.0.0.1:65536", "IP:127.0.0.1:99999", "IP:127.0.0.1:000001", "IP:127.0.0.1:+1",
		"IP:127.0.0.1: 1", "IP:127.0.0.1:1 ", "IP:127.0.0.1:1x", "IP:::1:9001", "IP:[::1]", "IP:[::1]9001",
		"IP:[]:9001", "IP:[:9001", "IP:]:9001", "IP:[127.0.0.1]:9001", "IP:[[::1]]:9001",
		"IP:" LETTERS100 LETTERS100 LETTERS10 LETTERS10 LETTERS10 LETTERS10 LETTERS10 "abcd:1",
		"FD:3", "systemd", "TLS:localhost:9001", "IPv5:127.0.0.1:1",
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct dc_target target;
		const char *name = rows[i] ? rows[i] : "(NULL)";

		errno = 0;
		CHECK_INT(name, dc_target_resolve(&target, rows[i]), 0);
		CHECK_INT(name, errno, EINVAL);
	}
}

static void test_unknown_host(void)
{
	struct dc_target target;

	/* Numbers of the wrong family ask no name server. */
	CHECK_INT("IPv4 of a v6 address", dc_target_resolve(&target, "IPv4:[::1]:1"), 0);
	CHECK_INT("errno", errno, EHOSTUNREACH);
	CHECK_INT("IPv6 of a v4 address", dc_target_resolve(&target, "IPv6:127.0.0.1:1"), 0);
	CHECK_INT("errno", errno, EHOSTUNREACH);
}

static void test_any_text(void)
{
	static const char *const pieces[] = {"UNIX:", "IP:", "IPv4:", "IPv6:", "[", "]", ":", "::1", "127.0.0.1",
	                                     "9001", "0", "65536", "/", "a", "-1", LETTERS100};
	uint64_t state = check_seed();

	for (int i = 0; i < 20000; i++) {
		struct dc_target target;
		char text[1024] = "";

		/* Text that would ask a name server is left out: it starts with IP and has a letter. */
		for (uint64_t n = check_random(&state) % 7; n > 0; n--)
			strcat(text, pieces[check_random(&state) % (sizeof pieces / sizeof pieces[0])]);
		if (text[0] == 'I' && strpbrk(text + 5, "abcdefghijIUPX-/"))
			continue;
		if (dc_target_resolve(&target, text))
			CHECK_RANGE(text, target.count, 1, DC_MAX_ENDPOINTS);
		else if (errno != EINVAL && errno != EHOSTUNREACH)
			CHECK_INT(text, errno, EINVAL);
	}
}

int main(void)
{
	RUN(test_good);
	RUN(test_bad);
	RUN(test_unknown_host);
	RUN(test_any_text);
	return check_summary();
}
