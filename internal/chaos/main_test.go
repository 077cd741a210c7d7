package chaos

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"distcache/internal/testkit"
)

// binariesEnv names the folder of the binaries under test.
const binariesEnv = "DISTCACHE_TEST_BINARIES"

// patience is how long a test waits for what must come, on a busy machine.
const patience = 30 * time.Second

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
	cmd := exec.Command("go", "build", "-o", folder+"/", "distcache/cmd/dc_client", "distcache/cmd/dc_server")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return os.Setenv(binariesEnv, folder)
}

// start runs one of the daemons until the test ends, and waits until it serves.
func start(t testing.TB, name string, args ...string) *testkit.Process {
	t.Helper()
	p := testkit.Start(t, filepath.Join(os.Getenv(binariesEnv), name), args...)
	p.WaitStderr(patience, " ready ")
	return p
}
