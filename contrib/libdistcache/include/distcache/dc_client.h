/* libdistcache keeps TLS sessions of an application in a distcache cache, normally through the dc_client
 * on the same host.
 *
 * Any number of threads may use one context at the same time. A context also works in the child of a
 * fork(). No call takes longer than its budget (2 seconds in all, see DC_CTX_new). No call raises SIGPIPE.
 *
 * Calls that return int return non-zero for success and 0 for failure, except DC_CTX_has_session. On
 * failure errno says why:
 *
 *   EINVAL        an argument is NULL or out of range, or the address is not valid; or the cache reports
 *                 that for an added session
 *   EMSGSIZE      a session to add does not fit into one message (see DC_CTX_add_session)
 *   ENOENT        get, reget, remove: there is no such session
 *   EEXIST        add: a session with this ID exists already
 *   ENOTCONN      dc_client runs, but has no connection to its dc_server
 *   ETIMEDOUT     the budget is used up, or was for an operation less than a second ago: after such a silence
 *                 the agent is not asked again for one second (for the budget, if that is less)
 *   EPERM         another user than DISTCACHE_AGENT_USERS allows listens at the unix socket
 *   ECONNRESET    the connection was closed before the answer was complete
 *   EPROTO        the answer breaks the protocol
 *   EHOSTUNREACH  DC_CTX_new: the host's name has no address
 *   or the error of socket(2), connect(2), malloc(3) or the resolver, such as ENOENT or ECONNREFUSED when
 *   no agent listens at the address. */
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
/* The version of the binary interface; it changes when programs must be built anew. */
#define DISTCACHE_CLIENT_BINARY 0x0001

/* The greatest length of a session ID, in bytes; the least is 1. */
#define DC_CTX_MAX_ID 64
/* The greatest length of a session, in bytes; the least is 1. */
#define DC_CTX_MAX_DATA 32768
/* The greatest timeout of a session, in milliseconds: 7 days. */
#define DC_CTX_MAX_TIMEOUT 604800000
/* The least timeout of a session in distcache 1.5, in milliseconds, for programs that use the name. This
 * library accepts less. */
#define DC_MIN_TIMEOUT 500

/* Flags of DC_CTX_new. Without flags each operation has a connection of its own. The library keeps up to 8 of them for
 * a second after their last use, for the next operations (see DISTCACHE_KEEP_MSECS at DC_CTX_new); a program sees
 * nothing of that but descriptors. */

/* Keep connections between operations. DC_CTX_new opens the first one, and fails if it cannot. */
#define DC_CTX_FLAG_PERSISTENT 0x0001
/* Notice fork(): a child opens its own connections. The library always does; the flag is accepted. */
#define DC_CTX_FLAG_PERSISTENT_PIDCHECK 0x0002
/* If the other side closes a kept connection during an operation, try that operation once more, over a
 * new connection. (A connection that was closed before the other side took the request is replaced without this
 * flag too.) */
#define DC_CTX_FLAG_PERSISTENT_RETRY 0x0004
/* Open the first connection with the first operation, not in DC_CTX_new. */
#define DC_CTX_FLAG_PERSISTENT_LATE 0x0008

typedef struct st_DC_CTX DC_CTX;

/* DC_CTX_new returns a context for the cache agent at target, or NULL, see errno. Forms of target:
 *
 *   UNIX:/path                 a unix socket, path of 1 to 107 bytes
 *   IP:host:port, IP:[v6]:port a host name or address; port 1 to 65535
 *   IPv4:… and IPv6:…          the same, only addresses of that family
 *
 * DC_CTX_new looks the name up, once: an operation never waits for the resolver.
 * flags is 0, or DC_CTX_FLAG_PERSISTENT with any of the others; without it the others have no effect.
 * If the environment variable DISTCACHE_TIMEOUT_MSECS (1 to 3600000) is set, it is the budget of each
 * operation of this context, instead of 2000.
 * If DISTCACHE_KEEP_MSECS (0 to 3600000) is set, a context without DC_CTX_FLAG_PERSISTENT uses a connection again
 * for so many milliseconds after its last use, instead of 1000. With 0 each operation opens a connection and
 * closes it afterwards.
 * If DISTCACHE_AGENT_USERS is set, the process that listens at a unix socket must belong to root, to the user of
 * this process, or to one of the users in it: names or numbers with commas between them, 8 at most, or none.
 * DC_CTX_new fails with EINVAL if one does not exist. What listens at a TCP address is not checked.
 * A program with raised privileges ignores these variables. */
DC_CTX_API DC_CTX *DC_CTX_new(const char *target, unsigned int flags);

/* DC_CTX_free frees ctx, which no other thread may be using. NULL is allowed. */
DC_CTX_API void DC_CTX_free(DC_CTX *ctx);

/* DC_CTX_add_session stores a session for timeout_msecs milliseconds, at most DC_CTX_MAX_TIMEOUT.
 * id_len + data_len may be 32,760 at most, so that the message fits into the protocol's 32,768 bytes.
 * A session of under 5 bytes is stored, but DC_CTX_get_session will not return it. */
DC_CTX_API int DC_CTX_add_session(DC_CTX *ctx, const unsigned char *id, unsigned int id_len,
                                  const unsigned char *data, unsigned int data_len,
                                  unsigned long timeout_msecs);

/* DC_CTX_remove_session removes a session from the cache, for all servers of the site. It fails if there is
 * no such session. Use it for a session that must not be resumed any more, such as one of a user who has
 * logged out. A server on OpenSSL must not call it in the callback of SSL_CTX_sess_set_remove_cb: OpenSSL
 * runs that for every client that leaves without close_notify, and for sessions that only its own memory
 * drops. DC_CTX_reget_session of the calling thread no longer finds the session. */
DC_CTX_API int DC_CTX_remove_session(DC_CTX *ctx, const unsigned char *id, unsigned int id_len);

/* DC_CTX_get_session copies a session to store. *used is always its full length. If that is more than
 * store_size, store gets the beginning, and DC_CTX_reget_session returns the whole session. On failure
 * *used is 0, whatever the reason. store may be NULL if store_size is 0.
 * An answer of under 5 bytes is no session: one byte is a status, and an old dc_client without a
 * connection sends an empty answer. */
DC_CTX_API int DC_CTX_get_session(DC_CTX *ctx, const unsigned char *id, unsigned int id_len,
                                  unsigned char *store, unsigned int store_size, unsigned int *used);

/* DC_CTX_reget_session is DC_CTX_get_session from memory. It returns what the last DC_CTX_get_session of
 * the calling thread returned, if that was with this context and this ID. A thread does not see what
 * other threads got. */
DC_CTX_API int DC_CTX_reget_session(DC_CTX *ctx, const unsigned char *id, unsigned int id_len,
                                    unsigned char *store, unsigned int store_size, unsigned int *used);

/* DC_CTX_has_session returns 1 if the session exists, 0 if it does not, -1 on failure. With an ID of over
 * DC_CTX_MAX_ID bytes it returns 0, as in distcache 1.5: no such session can exist. */
DC_CTX_API int DC_CTX_has_session(DC_CTX *ctx, const unsigned char *id, unsigned int id_len);

#ifdef __cplusplus
}
#endif

#endif
