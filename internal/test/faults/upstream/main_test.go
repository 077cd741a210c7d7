package upstream

import (
	"fmt"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

const (
	// patience is how long a test waits for what must come, on a busy machine.
	patience = time.Minute
	// timeout and retry are the flags of the dc_client under test, unless a test has its own.
	timeout = 200 * time.Millisecond
	retry   = 200 * time.Millisecond
	// attempt is how long an attempt to connect may take (upstream.AttemptTimeout).
	attempt = 2 * time.Second
)

func TestMain(m *testing.M) {
	kit.Suite{Commands: []string{"dc_client", "dc_server"}, Parallel: 16}.Run(m)
}

// startLinked runs a dc_client with timeout and retry, and waits for the connection.
func startLinked(t *testing.T, server kit.Endpoint) (*kit.Process, kit.Endpoint) {
	t.Helper()
	return kit.NewRig(t).Client(server, millis("-timeout", timeout), millis("-retry", retry))
}

func millis(name string, d time.Duration) string { return fmt.Sprintf("%s=%d", name, d.Milliseconds()) }
