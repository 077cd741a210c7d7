// Package agent is dc_client's behaviour: clients' requests are forwarded over the one
// connection to dc_server, and answered here while there is none.
//
//	front.Front ── Request ──▶ Agent ── Submit ──▶ upstream.Server
//	     ▲                                              │
//	     └───────────── Agent ◀──── Answer ─────────────┘
//
// An Agent is a pure state machine, as its parts are: events and the time come in as
// calls, actions go out through front.Sockets and upstream.Transport. The simulation
// test drives it with both sides made up.
package agent
