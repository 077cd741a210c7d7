// Package load drives a distcache service with thousands of clients from one thread, checks every answer, and measures.
// This package holds the sockets and the clock; package plan says what is asked and what the answers must be.
// cmd/dc_test is its command line; the system harness calls Run itself.
//
//	          one per client                       one per session
//	stream ───────────────────▶ pending ◀──────────────────────────── session
//	what is asked next,            │   what the answer must be,
//	from the seed alone            │   from what was answered before
//	                               ▼
//	                connect, send, receive, close          one loop, one thread, calls in batches
//	                               │
//	                               ▼
//	                judge ──▶ tally (counts, histograms) or *Violation
//
// # What is checked
//
// Each client has sessions of its own, and no session is in two unanswered requests at a time. So the loop knows what
// each answer must be: a session that was added is found, with its data equal to the byte, until it is removed or
// expires; any other is not found. A server decides about expiry somewhere between the moments at which a request was
// sent and its answer was read, so around the instant of expiry there is a window in which both answers are right
// (Config.Slack says how much wider it is made for clocks that differ). The first answer that cannot be right ends the
// run with a *Violation. A request that has no answer after Config.AnswerLimit is a violation too.
//
// A request that got no service (connection refused or lost, answer DISCONNECTED) is an error: it is counted and the
// run goes on. Whether and when it was carried out is unknown, so its session is retired: its ID is
// never used again and a new one takes its place.
//
// A cache may forget: it evicts when it is full, and is empty after a restart. Config.Lossy says that it may here. Then
// a session that should be there and is not is counted as lost, and retired. Without it, that is a violation. A cache
// may never answer with other data, nor find what was removed, has expired or was never added, lossy or not.
//
// # How it stays cheap
//
// A load generator that costs more than the server it drives measures itself. On a temporary connection the kernel's
// socket, connect, send, receive and close are nearly all there is, so nothing is added to those five. Answers come
// about in the order of the requests, hence the loop asks the connections that have waited longest, and sleeps on a few
// of them with one poll; only connections whose answer is overtaken by others' are put into an epoll set. With many
// clients the calls go to the kernel in batches, through an io_uring where there is one. (Waiting by io_uring was
// tried: arming a poll for each answer costs more than all that is saved.) Nothing is allocated for an operation.
//
// What is in one batch is seen only when all of it is done. So a batch has one operation for each eight clients that
// wait, which makes a latency too long by a few in a hundred at most; below sixteen clients there are no batches.
package load
