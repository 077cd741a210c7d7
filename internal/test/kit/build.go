package kit

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Build builds a main package (“distcache/cmd/dc_client”) with those flags of go build
// (“-race”), and gives the path of the binary, in a folder that goes away with the test.
// A package that runs one binary often builds it once and shares the path.
func Build(t testing.TB, pkg string, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(pkg))
	args := append([]string{"build", "-o", path}, flags...)
	if out, err := exec.Command("go", append(args, pkg)...).CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	return path
}
