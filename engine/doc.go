// Package engine is the reactor: one goroutine, one epoll set, no locks.
//
//	listening socket ──▶ Listener ── accept ──▶ Clients (table by fd)
//	                                               │ bytes read into Handler.Buffer
//	                                               ▼
//	                                            Handler: a front of dc_client or of dc_server
//	                                               │ Clients.Write, straight to the socket
//	                                               ▼
//	                                            answer; only what the socket does not take is copied
//
//	end of each turn ──▶ Loop.AtTurnEnd: what the turn collected goes out in one write
//
// The loop owns everything here: except Loop.Post and Loop.Stop, every method is
// called on the loop goroutine, and a slice handed to a Handler lives until it returns.
//
// A client is named by its descriptor. The number is not used again before the turn
// in which it was closed is over (see engine/poll), so a name never means two
// clients within one turn.
package engine
