package chaos

import (
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// patience is how long a test waits for what must come, on a busy machine.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	kit.Suite{Commands: []string{"dc_client", "dc_server"}, Parallel: 8}.Run(m)
}

// start runs one of the daemons until the test ends, and waits until it serves.
func start(t testing.TB, name string, args ...string) *kit.Process {
	t.Helper()
	p := kit.Start(t, kit.Tool(name), args...)
	p.WaitStderr(patience, " ready ")
	return p
}
