/* A TLS server that shares its sessions with the other servers of the site, through libdistcache.
 *   cc openssl_server.c $(pkg-config --cflags --libs distcache openssl) -o openssl_server
 *   ./openssl_server 127.0.0.1:4433 cert.pem key.pem UNIX:/var/run/scache [lifetime [client-ca.pem]]
 * lifetime is that of a session, in seconds. With client-ca.pem it asks clients for their certificate. */
#include <distcache/dc_client.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* note_once says on stderr why a session is not shared. Once is enough: there may be one a connection. */
static void note_once(const char *why, long value)
{
	static atomic_flag noted = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&noted))
		fprintf(stderr, "session not shared: %s (%ld); this is said once\n", why, value);
}

/* lifetime_msecs is that of session, but at most 7 days, which is the cache's limit. */
static unsigned long lifetime_msecs(const SSL_SESSION *session)
{
	unsigned long secs = (unsigned long)SSL_SESSION_get_timeout(session);

	return secs < DC_CTX_MAX_TIMEOUT / 1000 ? secs * 1000 : DC_CTX_MAX_TIMEOUT;
}

static int store_session(SSL *ssl, SSL_SESSION *session)
{
	unsigned char data[DC_CTX_MAX_DATA], *end = data;
	unsigned int id_len;
	const unsigned char *id = SSL_SESSION_get_id(session, &id_len);
	DC_CTX *cache = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	int length = i2d_SSL_SESSION(session, NULL);

	if (length <= 0 || length > DC_CTX_MAX_DATA || i2d_SSL_SESSION(session, &end) != length)
		note_once("too large, bytes", length);
	else if (!DC_CTX_add_session(cache, id, id_len, data, (unsigned int)length, lifetime_msecs(session)))
		note_once(strerror(errno), length); /* at worst a full handshake */
	return 0; /* we have not kept a reference to session */
}

static SSL_SESSION *find_session(SSL *ssl, const unsigned char *id, int id_len, int *copy)
{
	unsigned char data[DC_CTX_MAX_DATA];
	const unsigned char *start = data;
	unsigned int length;
	DC_CTX *cache = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	*copy = 0; /* the reference that we return is OpenSSL's to drop */
	if (!DC_CTX_get_session(cache, id, (unsigned int)id_len, data, sizeof data, &length) || length > sizeof data)
		return NULL;
	return d2i_SSL_SESSION(NULL, &start, (long)length);
}

/* serve answers one client as soon as it has said something, one at a time: this is an example. */
static void serve(SSL_CTX *ctx, BIO *client)
{
	SSL *ssl = SSL_new(ctx);
	char said[100];

	SSL_set_bio(ssl, client, client);
	if (SSL_accept(ssl) == 1 && SSL_read(ssl, said, sizeof said) > 0 && SSL_write(ssl, SSL_session_reused(ssl) ? "resumed\n" : "full   \n", 8) == 8)
		SSL_shutdown(ssl);
	SSL_free(ssl);
}

/* set_sessions has all sessions kept in the cache, and none in this process. */
static void set_sessions(SSL_CTX *ctx, DC_CTX *cache)
{
	SSL_CTX_set_app_data(ctx, cache);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"site", 4); /* the same on all servers */
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET); /* TLS 1.3 then looks its tickets up in the cache as well */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, store_session);
	SSL_CTX_sess_set_get_cb(ctx, find_session);
	/* No SSL_CTX_sess_set_remove_cb with DC_CTX_remove_session: OpenSSL calls it for each client that leaves
	 * without close_notify, as many do. None of them could resume on any server of the site. */
}

/* set_clients asks clients for a certificate of this authority. Their sessions are larger: they hold it. */
static int set_clients(SSL_CTX *ctx, const char *authority)
{
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return SSL_CTX_load_verify_locations(ctx, authority, NULL);
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int complete = argc >= 5 && argc <= 7;
	BIO *listener = complete ? BIO_new_accept(argv[1]) : NULL;
	DC_CTX *cache = complete ? DC_CTX_new(argv[4], 0) : NULL;

	if (!cache || BIO_do_accept(listener) != 1 || SSL_CTX_use_certificate_chain_file(ctx, argv[2]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, argv[3], SSL_FILETYPE_PEM) != 1 || (argc == 7 && set_clients(ctx, argv[6]) != 1)) {
		fprintf(stderr, "usage: openssl_server host:port certificate key cache [lifetime [client-ca]]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN); /* a client may leave while it is written to */
	set_sessions(ctx, cache);
	if (argc > 5)
		SSL_CTX_set_timeout(ctx, atol(argv[5]));
	printf("listening on %s:%s\n", BIO_get_accept_name(listener), BIO_get_accept_port(listener));
	fflush(stdout);
	while (BIO_do_accept(listener) == 1)
		serve(ctx, BIO_pop(listener));
	return 1;
}
