// Package redis is the store.Store of dc_server that keeps sessions in Redis or Valkey: one instance, the master that
// sentinels name, or a cluster.
//
//	Server ── Do ──▶ Store ── batch ──▶ node ── Run ──▶ Link: 4 goroutines, each with ──▶ Redis
//	   ▲                │  a turn's requests,   │           a connection of rueidis
//	   └─── Answer ─────┘  by server            └◀─ posted to the loop: the replies
//
//	location.go  the flag -store            requests.go  those without an answer, by ID and by age
//	command.go   operations and replies     node.go      a server: its batches, probe and breaker
//	topology.go  slots and servers          route.go     which server has which key
//	kind.go      errors; trouble, and the end of it
//	store.go, ask.go, answer.go             the Store: loop goroutine only, and pure
//	dial.go, link.go, asker.go              rueidis, beside the loop
//	guard.go                                what a server may send
//
// Store, node and route are a state machine: events and the time go in; a Link, a Dialer and an Observer are what comes out.
// dc_server keeps nothing: any number of them serve one cache.
//
// What is promised: each request is answered once, within Config.Timeout; requests for one ID are carried out in their
// order; one server that hangs or fails keeps no request for another one waiting. A request that was answered DISCONNECTED
// may have been carried out, or may be, once.
package redis
