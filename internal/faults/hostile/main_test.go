package hostile

import (
	"fmt"
	"os"
	"testing"
	"time"

	"distcache/internal/testkit"
)

// patience is how long a test waits for what must come, on a busy machine.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	if text := os.Getenv(attackerEnv); text != "" {
		if err := beAttacker(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testkit.Suite{Commands: []string{"dc_client", "dc_server"}, Parallel: 8}.Run(m)
}

// startClient runs a dc_client in front of a dc_server until the test ends, linked.
func startClient(t *testing.T, server testkit.Endpoint, args ...string) (*testkit.Process, testkit.Endpoint) {
	t.Helper()
	at := testkit.Unix(t)
	args = append([]string{"-listen", at.String(), "-server", server.String(), "-timeout", "10000"}, args...)
	process := testkit.Start(t, testkit.Tool("dc_client"), args...)
	process.WaitStderr(patience, "connected to dc_server")
	return process, at
}

// startServer runs a dc_server until the test ends.
func startServer(t *testing.T) (*testkit.Process, testkit.Endpoint) {
	t.Helper()
	at := testkit.Unix(t)
	process := testkit.Start(t, testkit.Tool("dc_server"), "-listen", at.String())
	process.WaitStderr(patience, " ready ")
	return process, at
}
