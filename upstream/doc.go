// Package upstream is the connection to dc_server, shared by all clients, and the choice among several dc_servers.
//
//	Servers.Tail ◀── a client's bytes are read here, so that a request that came whole
//	   │             is already where it is sent from
//	   ▼
//	Server.Submit: a slot for the request, its uid replaced, the batch grows by it
//	   │
//	   ▼ at the end of the turn
//	Link.Flush ──▶ Transport.Write: all of the turn's requests in one write
//	   ┊
//	Link.Received: answers cut out of the read buffer
//	   │
//	   ▼
//	Mux.Deliver: slot found by uid, the client's uid put back ──▶ Answers.Answer
//
// Servers is an ordered list of dc_servers (Members). It hands each request to the one that serves, or to the one that the
// session ID chooses, and passes on events that concern them all:
//
//	Servers ──▶ Member (a name of the list) ──▶ line (a connection and its part) ──▶ Server
//
// A Server is a Mux (the requests in flight) and a Link (the state of the connection). Both
// are pure state machines: events and the time come in as calls, actions go out as calls
// on small interfaces. There is no socket, clock, lock or goroutine in this package; package
// upstream/conn is the Transport that has a socket. All of it belongs to the loop
// goroutine.
//
// The batch and the read buffer belong to this package. What it hands out of them lives
// until the call that it was handed to returns.
package upstream
