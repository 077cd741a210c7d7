// Package logging sets up log/slog for the daemons: lines on stderr in the foreground, syslog when detached.
//
//	slog ─▶ handler: one line of text ─▶ queue, 1,024 lines ─▶ one goroutine ─▶ stderr or syslog
//	        (caller's goroutine)          full: drop, count     (the only one that may wait)
//
// No caller ever waits for a target. An unread pipe, a full disk, a closed stderr or a stuck syslog daemon cost lines,
// and a later line says how many. A program that logs to a pipe must ignore SIGPIPE (service.CatchSignals does).
//
// Events that can happen often go through a Limiter. The time of day appears in the text of lines only: in UTC on stderr,
// while syslog adds its own time.
package logging
