// Package conn is the upstream.Transport over a TCP or unix socket, or over TLS.
//
//	  loop goroutine                          goroutine of the attempt
//	  ──────────────                          ────────────────────────
//	Link ──▶ Conn.Dial ─────────────────────▶ attempt.dial: resolve the name,
//	                                          then each address in turn: connect,
//	                                          and the TLS handshake
//	                                             │
//	Link.Connected, Link.Broken ◀──── Post ──────┘ a connected descriptor, or an error
//	   │
//	   ▼
//	Conn.Ready ──▶ read  ──▶ Link.Received
//	          └──▶ write ──▶ Link.Writable
//	   │
//	   ▼
//	Conn.Close: cancels the attempt, or closes the socket
//
// What can block runs on the goroutine of the attempt. Conn belongs to the loop
// goroutine. The two share an attempt, which has a lock: it says who closes the descriptor
// (the attempt until take, then the loop), and how far the attempt has come. An attempt
// works with a snapshot of the route; Close learns from it for the next one.
//
// Over TLS a secure.Session is between the link and the socket (secure.go). The socket tells of
// ciphertext alone, so what crypto/tls still holds is read without an event, and what it wants to
// write is watched for after each call.
package conn
