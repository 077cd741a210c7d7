package main

import (
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// patience is how long a test waits for what must come, on a busy machine.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	kit.Suite{Commands: []string{program}, Parallel: 16}.Run(m)
}

// start runs dc_server until the test ends.
func start(t *testing.T, args ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	at := kit.Unix(t)
	process := kit.Start(t, kit.Tool(program), append(args, "-listen", at.String())...)
	process.WaitStderr(patience, " ready ")
	return process, at
}

// refused runs it with flags that it must refuse with exit code 2 and one line.
func refused(t *testing.T, args ...string) string {
	t.Helper()
	process := kit.Start(t, kit.Tool(program), args...)
	if code := process.Exit(patience); code != 2 {
		t.Errorf("%v: got exit code %d, want 2", args, code)
	}
	return process.Stderr()
}
