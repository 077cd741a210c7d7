package main

import (
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// patience is how long a test waits for what must come, on a busy machine.
const patience = time.Minute

func TestMain(m *testing.M) {
	kit.Suite{Commands: []string{program}, Parallel: 16, Programs: map[string]func(){program: main}}.Run(m)
}

// start runs dc_server until the test ends.
func start(t *testing.T, args ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	at := kit.Unix(t)
	process := kit.Start(t, kit.Tool(program), append(args, "-listen", at.String())...)
	process.WaitStderr(patience, " ready ")
	return process, at
}
