// Package web is the HTTP server of -metrics: /metrics for Prometheus, /healthz, /readyz, the status
// page at / with its JSON, and /debug/pprof where that is asked for.
//
// A scrape costs the process milliseconds of CPU time that its loop could use. So every answer is
// made at most once a second and served to all who ask, at most maxConns connections are open, and
// nothing is compressed. The server reads nothing but request lines and headers.
package web
