// Package poll is the project's only door to gnet's poller (gnet/v2/pkg/netpoll).
// It adds what that poller leaves to its user and keeps its traps out of the rest:
//
//	netpoll gives a bare fd         → a table of Handlers by fd
//	an fd closed and accepted anew  → Close takes the fd out of the table at once and
//	in one turn gets a stale event    closes it only after the turn, so that a number
//	                                  never comes back inside the turn in which it died
//	no “no interest”                → Interest None takes the fd out of the set
//	errors of the callback vanish   → Handlers return none
//	no hook at the end of a turn    → EndTurn, by a task that the loop sends itself
//	no timeout, no timers           → Timer, one timerfd in the set
//	a late Trigger writes into      → Post refuses once Run has returned
//	whatever reused the number
//	tasks are run until there are   → what is posted waits behind a descriptor of its own
//	none left: I/O may starve         and is one event of a turn
//	it logs through zap to stdout   → its logger is replaced by slog
//
// A turn is one batch of events from the kernel. Every event is a hint: a Handler
// reads or writes and goes by the result, never by the event alone.
//
// All methods but Post and Stop belong to the goroutine that calls Run.
package poll
