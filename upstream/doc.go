// Package upstream is the one connection to dc_server, shared by all clients.
//
//	Mux.Tail ◀── a client's bytes are read here, so that a request that came whole
//	   │         is already where it is sent from
//	   ▼
//	Mux.Submit: a slot for the request, its uid replaced, the batch grows by it
//	   │
//	   ▼ at the end of the turn
//	Link.Flush ──▶ Transport.Write: all of the turn's requests in one write
//	   ┊
//	Link.Received: answers cut out of the read buffer
//	   │
//	   ▼
//	Mux.Deliver: slot found by uid, the client's uid put back ──▶ Answers.Answer
//
// Mux and Link are pure state machines: events and the time come in as calls, actions
// go out as calls on small interfaces, and no socket, clock or goroutine is in them.
// Conn is the Transport that has those. The loop owns all of it.
//
// Ownership: the batch and the read buffer belong to this package; what is handed out
// of them lives until the call it was handed to returns.
package upstream
