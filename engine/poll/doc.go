// Package poll wraps gnet's poller (gnet/v2/pkg/netpoll) and is its only importer. It
// adds what that poller leaves to its user, and keeps its traps away from other packages
// (docs/DESIGN.md):
//
//	netpoll gives a bare fd         → a table of Handlers by fd
//	an fd closed and accepted again → Close takes the fd out of the table at once and
//	in one turn gets a stale event    closes it after the turn, so no number is reused
//	                                  within the turn in which it was closed
//	a close that blocks             → CloseAside closes on a goroutine of its own
//	no “no interest”                → Interest None takes the fd out of the set
//	no hook at the end of a turn,   → Run waits and delivers itself, in place of
//	two looks before each sleep       Polling; see waiter
//	no timeout, no timers           → Timer, one timerfd in the set
//	it runs tasks until none is     → Post has a queue of its own behind a descriptor:
//	left: I/O may starve              what was posted is one event of a turn
//	it logs through zap to stdout   → its logger is replaced by slog
//
// A turn is two batches of events from the kernel at most: the second is what came while the
// first was handled. Every event is a hint: a Handler reads or writes, and the result decides,
// never the event alone.
//
// All methods but Post and Stop belong to the goroutine that calls Run.
package poll
