// Package metrics is the table of figures: each counter has one entry, from which the metrics of
// package web, the status page, the line of SIGUSR1, dc_test -stats, docs/METRICS.md and tests are
// made.
//
//	loop 0 ── a copy of its counters ──┐   on the loop: Snapshot
//	loop 1 ── a copy of its counters ──┤
//	                                   ▼   beside the loops: Collect
//	            Table: entries that read a copy ──▶ Set ──▶ Prometheus, page, line, stats
//	                                                 │
//	                        every few seconds        ▼
//	            Monitor: history for the plots, mistakes ──▶ log
//
// Loops keep plain numbers. Whoever wants the figures posts a request for a copy to each loop, and
// waits at most a second: a loop that is stuck is reported, not waited for.
package metrics
