// Dc_server is the session cache that the dc_clients of all hosts share.
package main

import (
	"io"
	"os"

	"distcache/internal/daemon"
	"distcache/internal/daemon/service"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	parent := service.FindParent()
	c := config{limit: service.FindMemoryLimit()}
	flags := c.flags()
	err := flags.Parse(args)
	if err == nil {
		err = c.validate()
	}
	if code, done := flags.Exit(err, stdout, stderr); done {
		return code
	}
	if c.daemonFlags.Check {
		return daemon.Check(c.daemon(), flags, stdout, stderr)
	}
	return daemon.Run(c.daemon(), c.newApp, parent, stderr)
}
