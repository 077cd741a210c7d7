package terminators

import (
	"os"
	"os/exec"
	"testing"

	"distcache/internal/test/kit"
)

func TestMain(m *testing.M) {
	kit.Suite{Commands: []string{"dc_client", "dc_server", "examples/tlsserver"}, Parallel: 1}.Run(m)
}

// switchEnv, when it is set, runs the tests that need terminators.
const switchEnv = "DISTCACHE_TERMINATORS"

// need skips the test unless these programs and files are there.
func need(t *testing.T, programs, files []string) {
	t.Helper()
	if os.Getenv(switchEnv) == "" {
		t.Skip("make test-terminators runs this")
	}
	for _, name := range append([]string{"openssl"}, programs...) {
		if _, err := program(name); err != nil {
			t.Skipf("not tested: no %s on this machine", name)
		}
	}
	for _, path := range files {
		if _, err := os.Stat(path); err != nil {
			t.Skipf("not tested: no %s on this machine", path)
		}
	}
}

// program finds a program, in /usr/sbin too, which users seldom have in their PATH.
func program(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	return path, err
}
