package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// patience is how long a test waits for what must come, on a busy machine.
const patience = 20 * time.Second

// nobody is the user and the group of that number, on every Linux.
const nobody = 65534

// program is one of the daemons, and what it needs to run by itself.
type program struct {
	name string
	args []string
	// absent is the answer to a HAVE of a session that nobody added. The dc_client here
	// has no dc_server.
	absent codec.Status
	// ready is what it writes once it serves.
	ready string
}

func programs() []program {
	return []program{
		{name: "dc_client", args: []string{"-server", "UNIX:/nowhere/dc_server"}, absent: codec.StatusDisconnected, ready: " ready "},
		{name: "dc_server", absent: codec.StatusNotOK, ready: " ready "},
	}
}

// forEach runs a test for both daemons, at the same time as all others of this kind. They share
// the code that is tested here: the short form runs each test for one of them, which its name
// chooses.
func forEach(t *testing.T, test func(t *testing.T, p program)) {
	t.Parallel()
	for _, p := range kit.Chosen(t, programs()) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			test(t, p)
		})
	}
}

// command is how to run it with further arguments.
func (p program) command(args ...string) kit.Command {
	return kit.Command{Path: kit.Tool(p.name), Args: slices.Concat(p.args, args)}
}

// start runs it and waits until it serves.
func (p program) start(t *testing.T, args ...string) *kit.Process {
	t.Helper()
	return p.run(t, p.command(args...))
}

// run runs a command of the program's and waits until it serves.
func (p program) run(t *testing.T, c kit.Command) *kit.Process {
	t.Helper()
	process := c.Start(t)
	process.WaitStderr(patience, p.ready)
	return process
}

// fails runs the program, which must end by itself with that exit code and has to say
// something on stderr. It gives what that was.
func (p program) fails(t *testing.T, code int, args ...string) string {
	t.Helper()
	return failure(t, p.command(args...), code)
}

func failure(t *testing.T, c kit.Command, code int) string {
	t.Helper()
	process := c.Start(t)
	if got := process.Exit(patience); got != code {
		t.Fatalf("%v: got exit code %d, want %d; stderr:\n%s", c.Args, got, code, process.Stderr())
	}
	if process.Stdout() != "" {
		t.Errorf("%v: got %q on stdout, want nothing", c.Args, process.Stdout())
	}
	return process.Stderr()
}

// mustServe holds that a client is served there.
func (p program) mustServe(t *testing.T, at kit.Endpoint) {
	t.Helper()
	c := kit.Dial(t, at)
	c.ExpectStatus(kit.Have(1, "nobody's"), p.absent)
	_ = c.Close()
}

// mustEnd ends it in the orderly way.
func mustEnd(t *testing.T, process *kit.Process) {
	t.Helper()
	if code := process.Stop(); code != 0 {
		t.Errorf("got exit code %d after SIGTERM, want 0; stderr:\n%s", code, process.Stderr())
	}
}

// socketIn is a name for a socket in the directory.
func socketIn(directory string) kit.Endpoint {
	return kit.Endpoint{Network: "unix", Address: filepath.Join(directory, "s")}
}

// mustBeGone holds that nothing stands at the path.
func mustBeGone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("%s: got %v, want no such file", path, err)
	}
}

// stat is what the kernel knows of the file itself, links not followed.
func stat(t *testing.T, path string) syscall.Stat_t {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return st
}

// needRoot skips what only root can do.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can change users and owners, mount, and look into what a daemon keeps to itself")
	}
}

// notePost notes how a daemon is now, and gives the check whether it comes back to that.
// Most of what /proc tells of a daemon is for root alone (PR_SET_DUMPABLE), so for
// others there is no check.
func notePost(process *kit.Process) (check func(kit.Slack)) {
	if os.Geteuid() != 0 {
		return func(kit.Slack) {}
	}
	return process.Post().Check
}
