// Package front is what a daemon knows of its clients between bytes and requests:
// it gathers a client's bytes into requests, lets each client have one request open
// at a time, sends the answers in order, and ends clients that keep the daemon waiting.
//
//	         Received            Request             Answer
//	bytes ─────────────▶ Table ───────────▶ Requests ────────▶ Table ──▶ Sockets.Write
//	                       ▲ the next request of that client, if bytes of it are held │
//	                       └──────────────────────────────────────────────────────────┘
//
// dc_client's agent and dc_server's cache are its Requests; engine.Clients its Sockets.
//
// A Table is a pure state machine: events and the time come in as calls, actions go
// out as calls on Sockets and Requests. It has no goroutine, clock, lock or log, so a
// simulation drives it by the million. A client is named by a small number, of which
// Sockets is the giver.
package front
