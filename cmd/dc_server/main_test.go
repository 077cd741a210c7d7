package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"

	"distcache/internal/testkit"
)

// binaryEnv names the binary under test.
const binaryEnv = "DISTCACHE_TEST_BINARY"

// patience is how long a test waits for what must come, on a busy machine.
const patience = 20 * time.Second

// TestMain builds the binary once, as `make build` does: without cgo.
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
	_ = flag.Set("test.parallel", "16") // the tests wait more than they work
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(folder)
		os.Exit(code)
	}))
}

func build(folder string) error {
	cmd := exec.Command("go", "build", "-o", folder+"/", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return os.Setenv(binaryEnv, folder+"/"+program)
}

func builtBinary() string { return os.Getenv(binaryEnv) }

// start runs dc_server until the test ends.
func start(t *testing.T, args ...string) (*testkit.Process, testkit.Endpoint) {
	t.Helper()
	at := testkit.Unix(t)
	process := testkit.Start(t, builtBinary(), append(args, "-listen", at.String())...)
	process.WaitStderr(patience, " ready ")
	return process, at
}

// refused runs it with flags that it must refuse with exit code 2 and one line.
func refused(t *testing.T, args ...string) string {
	t.Helper()
	process := testkit.Start(t, builtBinary(), args...)
	if code := process.Exit(patience); code != 2 {
		t.Errorf("%v: got exit code %d, want 2", args, code)
	}
	return process.Stderr()
}
