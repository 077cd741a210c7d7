package process

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// patience is how long a test waits for what must come, on a busy machine.
const patience = 20 * time.Second

// nobody is the user and the group of that number, on every Linux.
const nobody = 65534

func TestMain(m *testing.M) {
	kit.Suite{Commands: []string{"dc_client", "dc_server"}, Tags: []string{"faults"}, Parallel: 12}.Run(m)
}

// program is one of the daemons, and what it needs to run by itself.
type program struct {
	name   string
	path   string
	args   []string
	absent codec.Status // the answer to a HAVE of a session that nobody added
}

func programs() []program {
	return []program{
		{"dc_client", kit.Tool("dc_client"), []string{"-server", "UNIX:/nowhere/dc_server"}, codec.StatusDisconnected},
		{"dc_server", kit.Tool("dc_server"), nil, codec.StatusNotOK},
	}
}

// faulty is the build that breaks on request, and whose watchdogs wait 1.5 s.
func (p program) faulty() program {
	p.path = kit.Tool("faults/" + p.name)
	return p
}

// forEach runs a test for both daemons, at the same time as all others of this kind.
func forEach(t *testing.T, test func(t *testing.T, p program)) {
	t.Parallel()
	for _, p := range programs() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			test(t, p)
		})
	}
}

func (p program) command(args ...string) kit.Command {
	return kit.Command{Path: p.path, Args: slices.Concat(p.args, args)}
}

// start runs it until it is ready, and gives where it listens.
func (p program) start(t *testing.T, args ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	at := kit.Unix(t)
	return ready(p.command(append(args, "-listen", at.String())...).Start(t)), at
}

func ready(p *kit.Process) *kit.Process {
	p.WaitStderr(patience, " ready ")
	return p
}

// mustServe holds that a client is served there.
func (p program) mustServe(t *testing.T, at kit.Endpoint) {
	t.Helper()
	c := kit.Dial(t, at)
	c.ExpectStatus(kit.Have(1, "nobody's"), p.absent)
	_ = c.Close()
}

// mustEnd ends it in the orderly way.
func mustEnd(t *testing.T, p *kit.Process) {
	t.Helper()
	if code := p.Stop(); code != 0 {
		t.Errorf("got exit code %d after SIGTERM, want 0; stderr:\n%s", code, p.Stderr())
	}
}

// mustName holds that the text has each of the words.
func mustName(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("got %q, want it to name %q", text, word)
		}
	}
}

// inShell is the command after some lines of shell, in the same process.
func inShell(c kit.Command, lines string) kit.Command {
	c.Args = append([]string{"-ec", lines + "\n" + `exec "$0" "$@"`, c.Path}, c.Args...)
	c.Path = "/bin/sh"
	return c
}

// atFull is how often something is done at full size, and once beside other tests.
func atFull(n int) int {
	if kit.Full() {
		return n
	}
	return 1
}

// needRoot skips what only root can do.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can change users, mount, and change the root folder")
	}
}
