// Package front is the side of a daemon that clients see: it cuts a client's bytes into
// requests, hands these to the daemon, sends the answers, and closes clients that keep the
// daemon waiting.
//
//	        Received           Request                    Answer, Append
//	bytes ────────────▶ Front ─────────▶ agent or server ────────────────▶ Front ──▶ Sockets.Write
//	                      ▲                                                  │
//	                      └───────── the client's next requests ◀────────────┘
//
// A Front is made with a Wire, the protocol that its clients speak. A client may have a
// window of requests open. dc_client's front sends the answers in the order of the
// requests; dc_server's sends each as soon as it is there, since dc_client finds its
// requests by uid.
//
// A Front is a pure state machine: events and the time come in as calls, actions go out as
// calls on Sockets and Requests. It has no goroutine, clock, lock or log, so a simulation
// can drive it. Sockets chooses the numbers that name the clients: with engine.Clients these
// are descriptors.
package front
