package upstream

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"distcache/internal/testkit"
)

// binariesEnv names the folder of the binaries under test.
const binariesEnv = "DISTCACHE_TEST_BINARIES"

const (
	// patience is how long a test waits for what must come, on a busy machine.
	patience = 20 * time.Second
	// timeout and retry are the flags of the dc_client under test, unless a test has its own.
	timeout = 200 * time.Millisecond
	retry   = 200 * time.Millisecond
	// attempt is how long an attempt to connect may take (upstream.AttemptTimeout).
	attempt = 2 * time.Second
)

// TestMain builds the daemons once, as `make build` does: without cgo.
func TestMain(m *testing.M) {
	flag.Parse()
	folder, err := os.MkdirTemp("", "dc")
	if err == nil {
		err = build(folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = flag.Set("test.parallel", "8") // the tests wait more than they work
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(folder)
		os.Exit(code)
	}))
}

func build(folder string) error {
	if err := testkit.BuildTools(folder, "dc_client", "dc_server"); err != nil {
		return err
	}
	return os.Setenv(binariesEnv, folder)
}

func binary(name string) string {
	if err := testkit.NoteSources("../../.."); err != nil {
		panic(err)
	}
	return filepath.Join(os.Getenv(binariesEnv), name)
}

// start runs a dc_client in front of that server until it is ready. A flag that is given
// twice is not allowed, so args hold -timeout and -retry where they matter.
func start(t *testing.T, server testkit.Endpoint, args ...string) (*testkit.Process, testkit.Endpoint) {
	t.Helper()
	at := testkit.Unix(t)
	args = append([]string{"-listen", at.String(), "-server", server.String()}, args...)
	process := testkit.Start(t, binary("dc_client"), args...)
	process.WaitStderr(patience, " ready ")
	return process, at
}

// startLinked is start with timeout and retry, and waits for the connection to dc_server.
func startLinked(t *testing.T, server testkit.Endpoint) (*testkit.Process, testkit.Endpoint) {
	t.Helper()
	process, at := start(t, server, millis("-timeout", timeout), millis("-retry", retry))
	process.WaitStderr(patience, "connected to dc_server")
	return process, at
}

func millis(name string, d time.Duration) string { return fmt.Sprintf("%s=%d", name, d.Milliseconds()) }
