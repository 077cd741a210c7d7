package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"distcache/internal/test/kit"
)

// configured is a daemon with a file of flags.
type configured struct {
	t       *testing.T
	path    string
	process *kit.Process
}

// startConfigured runs the daemon with that content in its file.
func (p program) startConfigured(t *testing.T, content string, args ...string) *configured {
	t.Helper()
	c := &configured{t: t, path: filepath.Join(openDirectory(t), "d.conf")}
	c.write(content)
	c.process = p.start(t, append(args, "-config", c.path)...)
	return c
}

func (c *configured) write(content string) {
	c.t.Helper()
	if err := os.WriteFile(c.path, []byte(content), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// reload changes the file, sends SIGHUP, and waits for a line of the log.
func (c *configured) reload(content, line string) {
	c.t.Helper()
	c.write(content)
	before := strings.Count(c.process.Stderr(), line)
	c.process.Signal(syscall.SIGHUP)
	c.process.Wait(patience, line, func() bool { return strings.Count(c.process.Stderr(), line) > before })
}

// TestRereadNamesWhatNeedsARestart: values that cannot change while the daemon runs are named at each SIGHUP, in one line,
// and are not in force; the others are.
func TestRereadNamesWhatNeedsARestart(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at, other := kit.Unix(t), kit.Unix(t)
		c := p.startConfigured(t, "maxclients 1000\nidle 0\nlisten "+at.String())
		again := "SIGHUP: read " + c.path + " again"
		c.reload("# the same\nlisten "+at.String()+"\nmaxclients 1000", again+"\n")
		c.reload("maxclients 1000\nlisten "+other.String()+"\nidle 5000\nloglevel debug", `SIGHUP: changed flags need a restart flags="-listen, -idle"`+"\n")
		mustBeGone(t, other.Address)
		p.mustServe(t, at)
		if want := again + " changed=-loglevel\n"; !strings.Contains(c.process.Stderr(), want) {
			t.Errorf("got stderr %q, want %q", c.process.Stderr(), want)
		}
		c.reload("maxclients 1000\nlisten "+at.String()+"\nloglevel error", again+" changed=-loglevel\n")
		mustEnd(t, c.process)
		if strings.Contains(c.process.Stderr(), " stopping ") {
			t.Errorf("got stderr %q, want no line of level info at the end", c.process.Stderr())
		}
	})
}

// TestRereadOfMistakes: one line says what is wrong and where, and all values stay.
func TestRereadOfMistakes(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		c := p.startConfigured(t, "loglevel info\n", "-listen", at.String())
		const stay = "SIGHUP: the old settings stay in force reason="
		for _, row := range []struct{ content, reason string }{
			{"loglevel error\nbogus 5\n", c.path + ":2: -bogus: there is no such flag, see " + p.name + " -help"},
			{"loglevel error\n\nidle x\n", c.path + `:3: -idle: \"x\" is not a whole number of milliseconds from 0 to 3600000`},
			{"loglevel error\npprof", c.path + ":2: -pprof: needs -metrics: that is where it is served"},
			{"loglevel error\nallowuser nosuchuser", `-allowuser \"nosuchuser\": neither a known user`},
		} {
			c.reload(row.content, stay+`"`+row.reason)
		}
		if err := os.Remove(c.path); err != nil {
			t.Fatal(err)
		}
		c.process.Signal(syscall.SIGHUP)
		c.process.WaitStderr(patience, stay+`"-config: `+c.path+`: no such file or directory"`)
		c.reload("loglevel info", "SIGHUP: read "+c.path+" again\n") // at level error this would not show
		if lines := strings.Count(c.process.Stderr(), stay); lines != 5 {
			t.Errorf("got %d lines, want one for each of 5 mistakes; stderr:\n%s", lines, c.process.Stderr())
		}
		p.mustServe(t, at)
	})
}

// TestRereadAllow: lists of users and groups change for those who connect from then on, and wait for a restart where the
// sockets do.
func TestRereadAllow(t *testing.T) {
	needRoot(t)
	forEach(t, func(t *testing.T, p program) {
		at := socketIn(openDirectory(t))
		listen := "sockperms 666\nlisten " + at.String() + "\n"
		c := p.startConfigured(t, listen+"allowuser 4711\n")
		named, root := caller{uid: 4711, gid: 4711}, caller{}
		must := func(what string, wantNamed, wantRoot bool) {
			t.Helper()
			if a, b := served(t, named.connect(t, at)), served(t, root.connect(t, at)); a != wantNamed || b != wantRoot {
				t.Errorf("%s: got user 4711 served: %v, root: %v, want %v, %v", what, a, b, wantNamed, wantRoot)
			}
		}
		must("at the start", true, false)
		c.reload(listen+"allowuser 4712\nallowgroup root\n", `again changed="-allowuser, -allowgroup"`+"\n")
		must("after a change", false, true)
		c.reload("listen IP:127.0.0.1:0\n", `restart flags="-listen, -sockperms, -allowuser, -allowgroup"`+"\n")
		must("with other sockets to come", false, true)
		c.reload(listen, `again changed="-allowuser, -allowgroup"`+"\n")
		must("without lists", true, true)
		mustEnd(t, c.process)
	})
}

// TestRereadOfTheLine: what is on the command line stays, whatever the file says.
func TestRereadOfTheLine(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		c := p.startConfigured(t, "", "-listen", at.String(), "-loglevel", "info")
		c.reload("listen UNIX:/elsewhere\nloglevel error\n", "SIGHUP: read "+c.path+" again\n")
		c.reload("", "SIGHUP: read "+c.path+" again\n")
	})
}

// TestConfigOfADetachedDaemon: -daemon and -user may be in the file, too. A file that the user may not read at a SIGHUP changes
// nothing.
func TestConfigOfADetachedDaemon(t *testing.T) {
	needRoot(t)
	forEach(t, func(t *testing.T, p program) {
		directory := openDirectory(t)
		at := socketIn(directory)
		config := kit.WriteFile(t, "d.conf", []byte("daemon\nuser nobody\nsockperms 666\nlisten "+at.String()+"\npidfile "+directory+"/pid\n"), 0o600)
		d := p.detach(t, directory, p.command("-config", config))
		if err := syscall.Kill(d.pid, syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		p.mustServe(t, at)
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.pid))
		if want := fmt.Sprintf("\nUid:\t%d\t", nobody); err != nil || !strings.Contains(string(status), want) {
			t.Errorf("got %v and\n%s\nwant %q", err, status, want)
		}
	})
}
