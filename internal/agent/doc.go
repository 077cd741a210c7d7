// Package agent is dc_client's behaviour: clients' requests are forwarded to the
// dc_server that is to answer, and answered here while there is no connection.
//
//	front.Front ── Request ──▶ Agent ── Submit ──▶ upstream.Servers
//	     ▲                                              │
//	     └───────────── Agent ◀──── Answer ─────────────┘
//
// An Agent is a pure state machine, as its parts are: events and the time come in as
// calls, actions go out through front.Sockets and upstream.Transport. The simulation
// test drives it with both sides made up.
package agent
