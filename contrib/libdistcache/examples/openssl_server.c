/* A TLS server that shares its sessions with the other servers of the site, through libdistcache.
 *   cc openssl_server.c $(pkg-config --cflags --libs distcache openssl) -o openssl_server
 *   ./openssl_server 127.0.0.1:4433 cert.pem key.pem UNIX:/var/run/scache */
#include <distcache/dc_client.h>
#include <openssl/ssl.h>
#include <stdio.h>

enum { MAX_SESSION = 4096 }; /* larger ones, such as those with client certificates, are not shared */

static int store_session(SSL *ssl, SSL_SESSION *session)
{
	unsigned char data[MAX_SESSION], *end = data;
	unsigned int id_len;
	const unsigned char *id = SSL_SESSION_get_id(session, &id_len);
	unsigned long msecs = (unsigned long)SSL_SESSION_get_timeout(session) * 1000;
	DC_CTX *cache = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	int length = i2d_SSL_SESSION(session, NULL);

	if (length > 0 && length <= MAX_SESSION && i2d_SSL_SESSION(session, &end) == length)
		DC_CTX_add_session(cache, id, id_len, data, (unsigned int)length, msecs); /* at worst a full handshake */
	return 0; /* we have not kept a reference to session */
}

static SSL_SESSION *find_session(SSL *ssl, const unsigned char *id, int id_len, int *copy)
{
	unsigned char data[MAX_SESSION];
	const unsigned char *start = data;
	unsigned int length;
	DC_CTX *cache = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	*copy = 0; /* the reference that we return is OpenSSL's to drop */
	if (!DC_CTX_get_session(cache, id, (unsigned int)id_len, data, sizeof data, &length) || length > sizeof data)
		return NULL;
	return d2i_SSL_SESSION(NULL, &start, (long)length);
}

static void remove_session(SSL_CTX *ctx, SSL_SESSION *session)
{
	unsigned int id_len;
	const unsigned char *id = SSL_SESSION_get_id(session, &id_len);

	DC_CTX_remove_session(SSL_CTX_get_app_data(ctx), id, id_len);
}

/* serve answers one client, one at a time: this is an example. */
static void serve(SSL_CTX *ctx, BIO *client)
{
	SSL *ssl = SSL_new(ctx);

	SSL_set_bio(ssl, client, client);
	if (SSL_accept(ssl) == 1 && SSL_write(ssl, SSL_session_reused(ssl) ? "resumed\n" : "full   \n", 8) == 8)
		SSL_shutdown(ssl);
	SSL_free(ssl);
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	BIO *listener = argc == 5 ? BIO_new_accept(argv[1]) : NULL;
	DC_CTX *cache = argc == 5 ? DC_CTX_new(argv[4], 0) : NULL;

	if (!cache || BIO_do_accept(listener) != 1 || SSL_CTX_use_certificate_chain_file(ctx, argv[2]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, argv[3], SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "usage: openssl_server host:port certificate key cache\n");
		return 2;
	}
	SSL_CTX_set_app_data(ctx, cache);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"site", 4); /* the same on all servers */
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET); /* TLS 1.3 then looks its tickets up in the cache as well */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, store_session);
	SSL_CTX_sess_set_get_cb(ctx, find_session);
	SSL_CTX_sess_set_remove_cb(ctx, remove_session);
	printf("listening on %s:%s\n", BIO_get_accept_name(listener), BIO_get_accept_port(listener));
	fflush(stdout);
	while (BIO_do_accept(listener) == 1)
		serve(ctx, BIO_pop(listener));
	return 1;
}
