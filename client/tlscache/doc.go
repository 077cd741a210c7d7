// Package tlscache lets crypto/tls servers on several hosts resume each other's sessions, in
// TLS 1.2 and 1.3. The sessions are in a distcache service; a client gets a ticket that says
// nothing.
//
//	cache, err := client.Open("UNIX:/tmp/scache", client.Options{Timeout: 300 * time.Millisecond})
//	tickets := tlscache.New(cache, key) // the same key at all servers of the service
//	tickets.Configure(config)           // a *tls.Config
//
// # What is where
//
//	client    ticket: 32 random bytes
//	server    key: the secret of the site, 32 bytes
//	cache     ID ──▶ AES-256-GCM(session)
//
//	ID           = HKDF-SHA256(ticket, no salt, "distcache tlscache 1 id "  + Name), 32 bytes
//	key of GCM   = HKDF-SHA256(ticket, key,     "distcache tlscache 1 key " + Name), 32 bytes
//	value        = nonce (12 bytes, random), sealed session, tag (16 bytes)
//
// Whoever reads the cache learns neither a session nor a ticket: an ID does not lead back to
// the ticket that it was made from, and without the ticket there is no key for the value.
// Whoever writes to the cache cannot make a session that a server takes, nor exchange two, as
// long as the site's key is secret. Whoever sees a ticket on the wire, where TLS 1.2 and 1.3
// show it, and reads the cache as well, still lacks the site's key. New takes no key at all, too:
// then the last two sentences do not hold.
//
// # When the cache fails
//
// A handshake never fails because of the cache: no answer, a refusal and a value that does not open
// all mean a full handshake. Each operation ends within client.Options.Timeout. A full handshake
// waits for one (the new session is stored before the handshake ends). A resumed one waits for two, or
// for three with SingleUse. A TLS 1.3 client may offer several tickets, of which crypto/tls looks
// at five, one after the other. Counts and OnError tell what happens.
package tlscache
