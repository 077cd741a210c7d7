// Package server is dc_server's behaviour: requests are answered from a store.Store, with the
// semantics of docs/PROTOCOL.md.
//
//	front.Front ── Request ──▶ Server ── Do ──▶ store.Store
//	     ▲                                          │ now or later
//	     └──── Append ◀──── Server ◀── Answer ──────┘
//
// Like the agent it is a pure state machine.
package server
