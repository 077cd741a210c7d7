package network

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

func builtBinary(name string) string {
	if err := testkit.NoteSources("../../.."); err != nil {
		panic(err)
	}
	return filepath.Join(os.Getenv(binariesEnv), name)
}

func millis(name string, d time.Duration) string { return fmt.Sprintf("%s=%d", name, d.Milliseconds()) }
