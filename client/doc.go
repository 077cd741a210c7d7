// Package client asks a distcache service for TLS sessions: the agent of this host
// (dc_client) as a rule, or a dc_server. It is for Go programs what DC_CTX of libdistcache
// is for those in C, and depends on the standard library, codec and codec/address alone.
//
//	cache, err := client.Open("UNIX:/tmp/scache", client.Options{})
//	err = cache.Add(ctx, id, session, 5*time.Minute)
//	session, err = cache.Get(ctx, id)
//
// A Client is safe for concurrent use. An operation has one connection to itself:
//
//	              ┌─ an idle connection, if one is kept and still good ─┐
//	operation ────┤                                                     ├──▶ request ──▶ answer
//	              └─ else a new one ────────────────────────────────────┘
//	afterwards:      kept, if the answer was right and there is room; else closed
//
// So operations never wait for one another, and as many connections are open as operations
// are under way, and a few more: eight for a second, or Options.MaxIdle if Persistent. An answer is believed only when it is
// whole and has the uid and the operation of the request. A connection on which anything
// else came, or whose operation was given up, is closed: no later operation can be taken in
// by an answer that came late.
//
// # The flags of DC_CTX
//
//	DC_CTX_FLAG_PERSISTENT            Options.Persistent; Dial connects at once
//	DC_CTX_FLAG_PERSISTENT_RETRY      Options.Retry
//	DC_CTX_FLAG_PERSISTENT_LATE       Open in place of Dial: connects on first use
//	DC_CTX_FLAG_PERSISTENT_PIDCHECK   none: a Go program cannot go on after a fork, and what
//	                                  it executes inherits no connection
//
// Without Persistent each operation has a connection of its own. It is kept for Options.Keep after its last
// use, as most of the cost of an operation is to connect and to close. dc_client closes idle connections
// first when it has as many clients as it may have, so that those that are kept are in nobody's way. A kept
// connection that the service has closed is replaced before anything is sent, and a request that the
// service did not take whole is sent again. When the connection ends after the request may have been
// read, a Get or Have is sent again, and an Add or Remove fails: its outcome is unknown, and asked again
// it could meet its own effect.
//
// # Time
//
// Every operation ends within Options.Timeout (2 s by default), sooner if its context says
// so, never later. A TLS handshake can therefore wait for the cache and never hangs on it.
//
// A host name is looked up for each new connection. A look-up that takes longer than the
// operation goes on, for 30 s at most, and its result serves the next operation. While a later
// look-up takes long or fails, the addresses from before are used.
//
// # Errors
//
// Every error of an operation is an *Error that wraps one of the errors of this package, or
// context.DeadlineExceeded or context.Canceled. For a TLS server all of them mean the same:
// do a full handshake.
package client
