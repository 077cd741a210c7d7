/* libdistcache: what an application calls to keep TLS sessions in a distcache cache, normally through
 * the dc_client that runs on its own host.
 *
 * A context may be used by any number of threads at once, and goes on working in the child of a fork().
 * No call waits longer than its budget (2 seconds in all, see DC_CTX_new), and none raises SIGPIPE.
 *
 * Calls that return int return non-zero for success and 0 for failure, but for DC_CTX_has_session. On
 * failure errno says why:
 *
 *   EINVAL        an argument is NULL or out of range, or the address is not one; or the cache says that
 *                 of what was added
 *   EMSGSIZE      a session to add does not fit into one message (see DC_CTX_add_session)
 *   ENOENT        get, reget, remove: there is no such session
 *   EEXIST        add: a session with this ID is there already
 *   ENOTCONN      dc_client is there, but has no connection to its dc_server
 *   ETIMEDOUT     the budget is used up
 *   ECONNRESET    the connection was closed before the answer was whole
 *   EPROTO        the answer breaks the protocol
 *   EHOSTUNREACH  DC_CTX_new: the host's name has no address
 *   or what socket(2), connect(2), malloc(3) or the resolver left there, such as ENOENT or ECONNREFUSED
 *   when nobody listens at the address. */
#ifndef DISTCACHE_DC_CLIENT_H
#define DISTCACHE_DC_CLIENT_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DC_CTX_API __attribute__((visibility("default")))
#else
#define DC_CTX_API
#endif

/* The version of this interface; it changes when calls change. */
#define DISTCACHE_CLIENT_API 0x0001

/* The greatest length of a session ID, in bytes; the least is 1. */
#define DC_CTX_MAX_ID 64
/* The greatest length of a session, in bytes; the least is 1. */
#define DC_CTX_MAX_DATA 32768

/* Flags of DC_CTX_new; without any, each operation opens a connection and closes it afterwards. */

/* Keep connections between operations. DC_CTX_new opens the first one, and fails when it cannot. */
#define DC_CTX_FLAG_PERSISTENT 0x0001
/* Notice fork(): a child opens connections of its own. This is so with and without the flag. */
#define DC_CTX_FLAG_PERSISTENT_PIDCHECK 0x0002
/* When a kept connection is closed by the other side with an operation under way, try that operation
 * once more, over a new connection. (One that was closed before is replaced without this flag too.) */
#define DC_CTX_FLAG_PERSISTENT_RETRY 0x0004
/* Open no connection in DC_CTX_new, but for the first operation. */
#define DC_CTX_FLAG_PERSISTENT_LATE 0x0008

typedef struct st_DC_CTX DC_CTX;

/* DC_CTX_new returns a context for the cache agent at target, or NULL, see errno. Forms of target:
 *
 *   UNIX:/path                 a unix socket, path of 1 to 107 bytes
 *   IP:host:port, IP:[v6]:port a host name or address; port 1 to 65535
 *   IPv4:… and IPv6:…          the same, addresses of that family alone
 *
 * A name is looked up here and not again: an operation never waits for the resolver.
 * flags is 0 or DC_CTX_FLAG_PERSISTENT with any of the others, which mean nothing without it.
 * The environment variable DISTCACHE_TIMEOUT_MSECS (1 to 3600000), when it is set, is the budget of each
 * operation of this context instead of 2000; a program with raised privileges ignores it. */
DC_CTX_API DC_CTX *DC_CTX_new(const char *target, unsigned int flags);

/* DC_CTX_free frees ctx, which no other thread may be using. NULL is allowed. */
DC_CTX_API void DC_CTX_free(DC_CTX *ctx);

/* DC_CTX_add_session stores a session for timeout_msecs milliseconds, at most 604,800,000 (7 days).
 * id_len + data_len may be 32,760 at most, so that the message fits into the protocol's 32,768 bytes.
 * A session of under 5 bytes is stored, but DC_CTX_get_session will not return it. */
DC_CTX_API int DC_CTX_add_session(DC_CTX *ctx, const unsigned char *id, unsigned int id_len,
                                  const unsigned char *data, unsigned int data_len,
                                  unsigned long timeout_msecs);

/* DC_CTX_remove_session removes a session. It fails when there is none. */
DC_CTX_API int DC_CTX_remove_session(DC_CTX *ctx, const unsigned char *id, unsigned int id_len);

/* DC_CTX_get_session copies a session to store. *used is its full length in any case: when that is more
 * than store_size, store holds the beginning, and DC_CTX_reget_session the whole. On failure *used is 0.
 * store may be NULL when store_size is 0.
 * Answers of under 5 bytes are no session: one byte is a status, and what an old dc_client sends when it
 * has no connection is empty. */
DC_CTX_API int DC_CTX_get_session(DC_CTX *ctx, const unsigned char *id, unsigned int id_len,
                                  unsigned char *store, unsigned int store_size, unsigned int *used);

/* DC_CTX_reget_session does what DC_CTX_get_session does, from memory: it answers what the calling
 * thread's last DC_CTX_get_session returned, if that was with this context and this ID. Threads do not
 * see each other's. */
DC_CTX_API int DC_CTX_reget_session(DC_CTX *ctx, const unsigned char *id, unsigned int id_len,
                                    unsigned char *store, unsigned int store_size, unsigned int *used);

/* DC_CTX_has_session returns 1 when the session is there, 0 when it is not, -1 on failure. */
DC_CTX_API int DC_CTX_has_session(DC_CTX *ctx, const unsigned char *id, unsigned int id_len);

#ifdef __cplusplus
}
#endif

#endif
