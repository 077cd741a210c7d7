// Package server is dc_server's behaviour: requests are answered from a cache.Store,
// in the order in which they came, with the semantics of docs/PROTOCOL.md.
//
//	front.Table ── Request ──▶ Server ──▶ cache.Store
//	     ▲                        │
//	     └──── Append (answer) ◀──┘
//
// Like the agent it is a pure state machine over its Store.
package server
