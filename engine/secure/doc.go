// Package secure is TLS 1.3 on an event loop: crypto/tls over memory.
//
//	handshake   dc_client: Client, on the goroutine that dials, over a connection that blocks
//	            dc_server: Queue, a goroutine for each, which the loop feeds; one computes at a time
//	                │ a Session
//	                ▼
//	on the loop socket ─ ciphertext ─▶ Shared's buffer ─▶ crypto/tls ─▶ Session.Read
//	            socket ◀──────────── ciphertext ───────── crypto/tls ◀─ Session.Write
//	               └ what it does not take waits for Session.Flush
//
// A Session is used like the calls of package socket. Its owner has three duties more:
//
//   - After Attach, and when a reader that paused goes on, read without waiting for the poller: crypto/tls may hold
//     bytes that no event tells of. Buffered reports that. After an event, read until unix.EAGAIN.
//   - After Read and Write, look at Pending. While it is more than 0, watch the descriptor for writing and call Flush.
//     Reading can make the session write: it answers a key update.
//   - Call Close before the descriptor is closed: it sends close_notify.
//
// Package secure decides nothing: which certificates are good is in the tls.Config. Its errors are whole sentences (see
// Explain). crypto/tls keeps copies of what passes through it, and these cannot be wiped.
package secure
