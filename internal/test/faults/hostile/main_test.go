package hostile

import (
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"distcache/internal/test/kit"
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
	kit.Suite{Commands: []string{"dc_client", "dc_server"}, Parallel: 8}.Run(m)
}

// startClient runs a dc_client in front of a dc_server until the test ends, linked.
func startClient(t *testing.T, server kit.Endpoint, args ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	return startClientOn(t, "unix", server, args...)
}

// startClientOn is startClient, and listens on that network.
func startClientOn(t *testing.T, network string, server kit.Endpoint, args ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	args = append([]string{"-server", server.String(), "-timeout", "10000"}, args...)
	return startOn(t, network, "dc_client", "connected to dc_server", args...)
}

// startOn runs a daemon until the test ends, and waits until it has written that.
func startOn(t *testing.T, network, name, ready string, args ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	at := kit.Loopback()
	if network == "unix" {
		at = kit.Unix(t)
	}
	process := kit.Start(t, kit.Tool(name), append([]string{"-listen", at.String()}, args...)...)
	process.WaitStderr(patience, ready)
	if network == "tcp" {
		at.Address = portOf(t, process)
	}
	return process, at
}

// portOf is where a daemon says that it listens, on a port that it was given.
func portOf(t *testing.T, process *kit.Process) string {
	t.Helper()
	found := regexp.MustCompile(` ready listen=IP:(127\.0\.0\.1:\d+) `).FindStringSubmatch(process.Stderr())
	if found == nil {
		t.Fatalf("got stderr %q, want a line that tells where it listens", process.Stderr())
	}
	return found[1]
}

// startServer runs a dc_server until the test ends.
func startServer(t *testing.T) (*kit.Process, kit.Endpoint) {
	t.Helper()
	return startOn(t, "unix", "dc_server", " ready ")
}
