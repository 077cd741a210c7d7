// Package proxy is dc_client's behaviour: clients' requests are forwarded over the one
// connection to dc_server, and answered here while there is none.
//
//	dialog.Table ── Request ──▶ Proxy ── Submit ──▶ upstream.Mux ──▶ upstream.Link
//	     ▲                                              │
//	     └───────────────── Answer ◀────────────────────┘
//
// A Proxy is a pure state machine, as its parts are: events and the time come in as
// calls, actions go out through dialog.Sockets and upstream.Transport. The simulation
// test drives it with both sides made up.
package proxy
