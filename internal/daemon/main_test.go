package daemon

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// binariesEnv names the folder of the binaries under test.
const binariesEnv = "DISTCACHE_TEST_BINARIES"

// waiters is how many tests run at a time that mostly wait.
const waiters = "16"

// TestMain builds both daemons once, as `make build` does: without cgo.
func TestMain(m *testing.M) {
	flag.Parse()
	folder, err := build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = os.Setenv(binariesEnv, folder)
	_ = flag.Set("test.parallel", waiters)
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(folder)
		os.Exit(code)
	}))
}

func build() (folder string, err error) {
	// Open to everybody: some tests run the binaries as an ordinary user.
	if folder, err = os.MkdirTemp("", "dc"); err == nil {
		err = os.Chmod(folder, 0o755)
	}
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", folder+"/", "distcache/cmd/dc_client", "distcache/cmd/dc_server")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return folder, nil
}

func binary(name string) string { return filepath.Join(os.Getenv(binariesEnv), name) }
