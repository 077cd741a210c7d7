package upstream

import (
	"fmt"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

const (
	// patience is how long a test waits for what must come, on a busy machine.
	patience = 20 * time.Second
	// timeout and retry are the flags of the dc_client under test, unless a test has its own.
	timeout = 200 * time.Millisecond
	retry   = 200 * time.Millisecond
	// attempt is how long an attempt to connect may take (upstream.AttemptTimeout).
	attempt = 2 * time.Second
)

func TestMain(m *testing.M) {
	kit.Suite{Commands: []string{"dc_client", "dc_server"}, Parallel: 8}.Run(m)
}

// start runs a dc_client in front of that server until it is ready. A flag that is given
// twice is not allowed, so args hold -timeout and -retry where they matter.
func start(t *testing.T, server kit.Endpoint, args ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	at := kit.Unix(t)
	args = append([]string{"-listen", at.String(), "-server", server.String()}, args...)
	process := kit.Start(t, kit.Tool("dc_client"), args...)
	process.WaitStderr(patience, " ready ")
	return process, at
}

// startLinked is start with timeout and retry, and waits for the connection to dc_server.
func startLinked(t *testing.T, server kit.Endpoint) (*kit.Process, kit.Endpoint) {
	t.Helper()
	process, at := start(t, server, millis("-timeout", timeout), millis("-retry", retry))
	process.WaitStderr(patience, "connected to dc_server")
	return process, at
}

func millis(name string, d time.Duration) string { return fmt.Sprintf("%s=%d", name, d.Milliseconds()) }
