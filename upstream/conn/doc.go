// Package conn is the upstream.Transport over a TCP or unix socket.
//
//	  loop goroutine                          goroutine of the attempt
//	  ──────────────                          ────────────────────────
//	Link ──▶ Conn.Dial ─────────────────────▶ attempt.dial: resolve the name,
//	                                          then each address in turn: connect
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
package conn
