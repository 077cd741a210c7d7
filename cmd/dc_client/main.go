// Dc_client is the local agent of a distributed session cache: applications on this
// host ask it over a unix socket, and it asks dc_server over one connection.
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
	var c config
	flags, err := c.parse(args)
	if code, done := flags.Exit(err, stdout, stderr); done {
		return code
	}
	if c.daemonFlags.Check {
		return daemon.Check(c.daemon(), flags, stdout, stderr)
	}
	d := c.daemon()
	if c.daemonFlags.Config != "" {
		d.Settings, d.Reread = flags.Texts(), func() (*daemon.Reread, error) { return c.reread(args) }
	}
	return daemon.Run(d, c.newApps(), parent, stderr)
}
