// Dc_snoop is a transparent proxy between any two distcache tools that shows what passes.
//
//	application ──▶ dc_snoop ──▶ dc_client ──▶ dc_snoop ──▶ dc_server
//	                                    (at either place, or both)
//
// Two goroutines serve a connection, one for each direction:
//
//	read ──▶ watcher ──────────▶ write        bytes as they came, nothing held back
//	            │ decodes, matches answers with requests
//	            ▼
//	          queue (bounded) ──▶ recorder ──▶ stdout, the file of -pcap, stderr
//
// Only the recorder, one goroutine for all, writes. When its outputs are slower than the
// traffic, the queue fills up, and what no longer fits is counted and not shown: the traffic
// never waits for who looks on.
package main

import (
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	var c config
	flags := c.flags()
	err := flags.Parse(args)
	if err == nil {
		err = c.validate(flags)
	}
	if code, done := flags.Exit(err, stdout, stderr); done {
		return code
	}
	// Who reads standard output may leave; who is connected through here must not notice.
	signal.Ignore(syscall.SIGPIPE)
	code, _ := flags.Exit(snoop(&c, stdout, stderr), stdout, stderr)
	return code
}
