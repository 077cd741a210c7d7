package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// detached is a daemon that -daemon started. It ends with the test.
type detached struct {
	t       *testing.T
	pid     int
	at      kit.Endpoint
	pidfile string
}

// detach runs the command, whose socket and pidfile are in the directory, with -daemon. The
// parent must end with 0, and from that instant on the daemon serves and has its pidfile.
func (p program) detach(t *testing.T, directory string, c kit.Command) *detached {
	t.Helper()
	parent := c.Start(t)
	if code := parent.Exit(patience); code != 0 {
		t.Fatalf("got exit code %d of the parent, want 0; stderr:\n%s", code, parent.Stderr())
	}
	d := &detached{t: t, at: socketIn(directory), pidfile: filepath.Join(directory, "pid")}
	connect, err := kit.Connect(d.at) // at once: there is nothing to wait for
	if err != nil {
		t.Errorf("got %v right after the parent ended, want a daemon that listens", err)
	} else {
		_ = connect.Close()
	}
	d.pid = pidIn(t, d.pidfile)
	t.Cleanup(func() { _ = syscall.Kill(d.pid, syscall.SIGKILL) })
	if d.pid == parent.PID() {
		t.Errorf("got the parent's process ID %d in the pidfile, want the daemon's", d.pid)
	}
	return d
}

// daemonArgs is the command line of a daemon in the directory.
func daemonArgs(directory string, more ...string) []string {
	return append([]string{"-daemon", "-listen", socketIn(directory).String(), "-pidfile", filepath.Join(directory, "pid")}, more...)
}

// end ends the daemon in the orderly way.
func (d *detached) end() {
	d.t.Helper()
	if err := syscall.Kill(d.pid, syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
	kit.Wait(d.t, patience, "end of the daemon", func() bool { return !d.alive() })
	mustBeGone(d.t, d.at.Address)
	mustBeGone(d.t, d.pidfile)
}

// alive reports whether it runs: whoever inherited it may not have waited for it yet.
func (d *detached) alive() bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// mustLink holds what a link in the daemon's directory of /proc leads to, or soon will: the
// daemon lets go of the pipe to its parent when it has reported.
func (d *detached) mustLink(name, want string) {
	d.t.Helper()
	got := ""
	if !kit.Within(patience, func() bool {
		got, _ = os.Readlink(fmt.Sprintf("/proc/%d/%s", d.pid, name))
		return got == want
	}) {
		d.t.Errorf("got %s as %s, want %s", got, name, want)
	}
}

// TestDaemonReady connects right after the parent has ended, many times.
func TestDaemonReady(t *testing.T) {
	times := 8
	if kit.Full() {
		times = 50
	}
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		for range times {
			d := p.detach(t, directory, p.command(daemonArgs(directory)...))
			p.mustServe(t, d.at)
			d.end()
		}
	})
}

func TestDaemonIsDetached(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		needRoot(t)
		directory := kit.SocketDir(t)
		d := p.detach(t, directory, p.command(daemonArgs(directory)...))
		for _, row := range []struct{ name, want string }{
			{"fd/0", "/dev/null"}, {"fd/1", "/dev/null"}, {"fd/2", "/dev/null"}, {"cwd", "/"},
		} {
			d.mustLink(row.name, row.want)
		}
		session, err := getsid(d.pid)
		if err != nil || session != d.pid {
			t.Errorf("got session %d, %v, want one of its own: %d", session, err, d.pid)
		}
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", d.pid)); err != nil || string(name) != p.name+"\n" {
			t.Errorf("got %q, %v as the process's name, want %s", name, err, p.name)
		}
		if env, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", d.pid)); err != nil || !strings.Contains(string(env), "-pidfile") {
			t.Errorf("got command line %q, %v, want the one that was typed", env, err)
		}
		d.end()
	})
}

func getsid(pid int) (int, error) {
	session, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(session), nil
}

// TestDaemonRelativePidfile names the pidfile as seen from where the command is typed.
func TestDaemonRelativePidfile(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		c := p.command("-daemon", "-listen", socketIn(directory).String(), "-pidfile", "pid")
		c.Dir = directory
		d := p.detach(t, directory, c)
		p.mustServe(t, d.at)
		d.end()
	})
}

// TestDaemonRelativeSocket: a daemon's working directory is /, where UNIX:s would be
// another path than the one that was meant (docs/RELIABILITY.md, K03).
func TestDaemonRelativeSocket(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		c := p.command("-daemon", "-listen", "UNIX:s", "-pidfile", "/nowhere/pid") // which would end it too
		c.Dir = directory
		mustName(t, failure(t, c, 2), "-listen", "UNIX:s", "-daemon")
		mustBeGone(t, filepath.Join(directory, "s"))
		foreground := p.command("-listen", "UNIX:s")
		foreground.Dir = directory
		process := p.run(t, foreground)
		p.mustServe(t, socketIn(directory))
		mustEnd(t, process)
		mustBeGone(t, filepath.Join(directory, "s"))
	})
}

// TestDaemonFailure: what is wrong in the daemon is what the parent prints.
func TestDaemonFailure(t *testing.T) {
	t.Parallel()
	occupied := filepath.Join(kit.SocketDir(t), "s")
	if err := os.WriteFile(occupied, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name  string
		args  []string
		words []string
	}{
		{"socket occupied", []string{"-listen", "UNIX:" + occupied}, []string{occupied, "a regular file"}},
		{"directory missing", []string{"-listen", "UNIX:/nowhere/at/all/s"}, []string{"/nowhere/at/all", "no such file"}},
		{"owner unknown", []string{"-sockowner", "nosuchuser"}, []string{"-sockowner", "nosuchuser"}},
		{"pidfile impossible", []string{"-pidfile", "/nowhere/at/all/pid"}, []string{"-pidfile", "/nowhere/at/all"}},
		{"address of others", []string{"-listen", "IP:203.0.113.1:9001"}, []string{"IP:203.0.113.1:9001", "assign"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				args := append([]string{"-daemon"}, row.args...)
				if row.args[0] != "-listen" {
					args = append(args, "-listen", kit.Unix(t).String())
				}
				text := p.fails(t, 1, args...)
				mustName(t, text, row.words...)
				if lines := strings.Count(text, p.name+": "); !strings.HasPrefix(text, p.name+": ") || lines < 1 {
					t.Errorf("got stderr %q, want lines that begin with %s:", text, p.name)
				}
			})
		})
	}
}

// TestDaemonWarnings: what the daemon warns of is for the person at the terminal, too.
func TestDaemonWarnings(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		parent := p.command(daemonArgs(directory, "-sockperms", "440")...).Start(t)
		if code := parent.Exit(patience); code != 0 {
			t.Fatalf("got exit code %d, want 0; stderr:\n%s", code, parent.Stderr())
		}
		pid := pidIn(t, filepath.Join(directory, "pid"))
		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
		mustName(t, parent.Stderr(), "-sockperms 440", "660")
	})
}

// TestDaemonUser drops privileges in the daemon, before the parent says that it runs.
func TestDaemonUser(t *testing.T) {
	needRoot(t)
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		if err := os.Chown(directory, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		c := p.command(daemonArgs(directory, "-user", "nobody")...)
		c.Sys = rootWithGroups()
		d := p.detach(t, directory, c)
		mustRunAs(t, d.pid, nobody, nobody, nobody)
		p.mustServe(t, d.at)
		d.end()
	})
}

// TestDaemonPidfileHeld: the parent of a second daemon says why there is none.
func TestDaemonPidfileHeld(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		d := p.detach(t, directory, p.command(daemonArgs(directory)...))
		text := p.fails(t, 1, "-daemon", "-listen", kit.Unix(t).String(), "-pidfile", d.pidfile)
		mustName(t, text, "-pidfile", d.pidfile, "in use by a running process", fmt.Sprint(d.pid))
		p.mustServe(t, d.at)
		d.end()
	})
}

// TestDaemonStandardDescriptors starts one with its standard descriptors closed.
func TestDaemonStandardDescriptors(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		needRoot(t)
		directory := kit.SocketDir(t)
		d := p.detach(t, directory, closingStandard(p.command(daemonArgs(directory)...)))
		for _, name := range []string{"fd/0", "fd/1", "fd/2"} {
			d.mustLink(name, "/dev/null")
		}
		p.mustServe(t, d.at)
		d.end()
	})
}

// closingStandard is the command with stdin, stdout and stderr closed.
func closingStandard(c kit.Command) kit.Command {
	return inShell(c, "exec <&- >&- 2>&-")
}

// TestDaemonLogsToSyslog runs one where /run/log, which is a place where syslog daemons
// listen, is a socket of the test.
func TestDaemonLogsToSyslog(t *testing.T) {
	needRoot(t)
	if _, err := os.Stat("/dev/log"); err == nil {
		t.Skip("this machine has a syslog daemon at /dev/log, which comes first")
	}
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		lines := listenSyslog(t, filepath.Join(directory, "log"))
		c := inShell(p.command(daemonArgs(directory)...),
			"mount -t tmpfs none /var/run/\nln -s "+directory+"/log /var/run/log")
		c.Sys = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		d := p.detach(t, directory, c)
		lines.expect(t, p.name+"[", " ready ", d.at.String())
		d.end()
		lines.expect(t, p.name+"[", "stopping")
	})
}

// syslogLines is what a syslog daemon receives, line by line.
type syslogLines <-chan string

// expect waits for a line that has all the words.
func (l syslogLines) expect(t *testing.T, words ...string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line := <-l:
			if hasAll(line, words) {
				return
			}
		case <-timeout:
			t.Fatalf("got no line with %q within %v, want one in syslog", words, patience)
		}
	}
}

func hasAll(line string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(line, word) {
			return false
		}
	}
	return true
}
