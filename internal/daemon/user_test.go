package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"distcache/internal/test/kit"
)

// threadStatus is the status files of all threads of a process (proc(5)), by field.
func threadStatus(t *testing.T, pid int) []map[string]string {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(paths) == 0 {
		t.Fatalf("got %v, %v as the threads of %d, want some", paths, err, pid)
	}
	var all []map[string]string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		fields := map[string]string{}
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(line, ":")
			fields[name] = strings.Join(strings.Fields(value), " ")
		}
		all = append(all, fields)
	}
	return all
}

// mustRunAs holds that every thread has these IDs and groups alone, and no way back.
func mustRunAs(t *testing.T, pid, uid, gid int, groups ...int) {
	t.Helper()
	kit.SkipWithRaceDetector(t, "its threads are not the daemon's")
	slices.Sort(groups)
	var texts []string
	for _, g := range groups {
		texts = append(texts, strconv.Itoa(g))
	}
	four := func(id int) string { return strings.TrimSpace(strings.Repeat(strconv.Itoa(id)+" ", 4)) }
	want := map[string]string{
		"Uid": four(uid), "Gid": four(gid), "Groups": strings.Join(texts, " "), "NoNewPrivs": "1",
		"CapInh": "0000000000000000", "CapPrm": "0000000000000000", "CapEff": "0000000000000000", "CapAmb": "0000000000000000",
	}
	for _, got := range threadStatus(t, pid) {
		for field, value := range want {
			if got[field] != value {
				t.Errorf("thread %s: got %s %q, want %q", got["Pid"], field, got[field], value)
			}
		}
	}
}

// rootWithGroups is root with supplementary groups, as a login shell has them, and with an
// inheritable capability, which a change of the user alone does not take.
func rootWithGroups() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Groups: []uint32{0, 4, 27}},
		AmbientCaps: []uintptr{unix.CAP_NET_BIND_SERVICE},
	}
}

func TestUser(t *testing.T) {
	t.Parallel()
	needRoot(t)
	for _, row := range []struct{ name, user string }{{"by name", "nobody"}, {"by number", "65534"}} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := kit.Unix(t)
				c := p.command("-listen", at.String(), "-user", row.user)
				c.Sys = rootWithGroups()
				process := p.run(t, c)
				p.mustServe(t, at) // and so more threads have come
				mustRunAs(t, process.PID(), nobody, nobody, nobody)
				if st := stat(t, at.Address); st.Uid != 0 {
					t.Errorf("got a socket of user %d, want root's: it is made before", st.Uid)
				}
				mustServeAfterThreads(t, p, at, process)
			})
		})
	}
}

// mustServeAfterThreads holds that threads which begin after the drop are no exception.
func mustServeAfterThreads(t *testing.T, p program, at kit.Endpoint, process *kit.Process) {
	t.Helper()
	for range 20 {
		p.mustServe(t, at)
	}
	mustRunAs(t, process.PID(), nobody, nobody, nobody)
}

// TestUserOwnGroups gives the daemon another /etc/passwd and /etc/group, in which its
// user has groups of its own.
func TestUserOwnGroups(t *testing.T) {
	needRoot(t)
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		write := func(name, text string) {
			if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write("passwd", "root:x:0:0::/:/bin/sh\ncacher:x:4711:4712::/:/bin/false\n")
		write("group", "root:x:0:cacher\ncacher:x:4712:\nssl:x:4713:www,cacher\nother:x:4714:www\n")
		at := socketIn(directory)
		c := inShell(p.command("-listen", at.String(), "-user", "cacher"),
			"mount --bind "+directory+"/passwd /etc/passwd\nmount --bind "+directory+"/group /etc/group")
		c.Sys = rootWithGroups()
		c.Sys.Cloneflags = syscall.CLONE_NEWNS
		process := p.run(t, c)
		mustRunAs(t, process.PID(), 4711, 4712, 0, 4712, 4713)
	})
}

// TestUserDropIsChecked lets a system call of the drop do nothing and report success, as a
// faulty kernel or filter would: that is found out, and the start ends.
func TestUserDropIsChecked(t *testing.T) {
	t.Parallel()
	needRoot(t)
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not there to have system calls do nothing")
	}
	if kit.RaceDetector {
		t.Skip("with the race detector the daemons have cgo, and glibc ends a process whose threads get different results")
	}
	for _, row := range []struct {
		call  string // the first of each thread; the next, which tries the way back, is done
		words string
	}{
		{"setgroups", "Groups of thread"},
		{"setresgid", "the group ID can be set to 0"},
		{"setresuid", "the user ID can be set to 0"},
	} {
		t.Run(row.call, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := kit.Unix(t)
				c := p.command("-listen", at.String(), "-user", "nobody")
				c.Args = append([]string{"-qq", "-f", "-o", "/dev/null", "-e", "trace=" + row.call,
					"-e", "inject=" + row.call + ":retval=0:when=1", c.Path}, c.Args...)
				c.Path, c.Sys = strace, rootWithGroups()
				mustName(t, failure(t, c, 1), "-user nobody", row.words)
			})
		})
	}
}

// TestUserStays: old command lines name root, or the user that the daemon runs as already.
func TestUserStays(t *testing.T) {
	t.Parallel()
	needRoot(t)
	for _, row := range []struct {
		user    string
		as      *syscall.SysProcAttr
		warning bool
	}{{"root", nil, true}, {"nobody", asNobody(), false}} {
		t.Run(row.user, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := kit.Unix(t)
				if err := os.Chmod(filepath.Dir(at.Address), 0o777); err != nil {
					t.Fatal(err)
				}
				c := p.command("-listen", at.String(), "-user", row.user)
				c.Sys = row.as
				process := p.run(t, c)
				p.mustServe(t, at)
				if got := strings.Contains(process.Stderr(), "no privileges are dropped"); got != row.warning {
					t.Errorf("got stderr %q, want a warning: %v", process.Stderr(), row.warning)
				}
				mustEnd(t, process)
			})
		})
	}
}

func TestUserRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, user string
		as         *syscall.SysProcAttr
		words      []string
	}{
		{"unknown", "nosuchuser", nil, []string{"-user nosuchuser"}},
		{"number without account", "3999999999", nil, []string{"-user 3999999999"}},
		{"not as root", "daemon", asNobody(), []string{"-user daemon", "needs root"}},
	} {
		for _, detach := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, -daemon=%v", row.name, detach), func(t *testing.T) {
				forEach(t, func(t *testing.T, p program) {
					needRoot(t)
					at := kit.Unix(t)
					if err := os.Chmod(filepath.Dir(at.Address), 0o777); err != nil {
						t.Fatal(err)
					}
					c := p.command("-listen", at.String(), "-user", row.user, fmt.Sprintf("-daemon=%v", detach))
					c.Sys = row.as
					mustName(t, failure(t, c, 1), row.words...)
					mustBeGone(t, at.Address)
				})
			})
		}
	}
}

// TestUserCannotCleanUp runs in a directory where the user it drops to may remove nothing.
func TestUserCannotCleanUp(t *testing.T) {
	needRoot(t)
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		at, pidfile := socketIn(directory), filepath.Join(directory, "pid")
		process := p.start(t, "-listen", at.String(), "-pidfile", pidfile, "-user", "nobody")
		mustEnd(t, process)
		mustName(t, process.Stderr(), "cleanup failed", at.String(), pidfile, "permission denied")
		if st := stat(t, pidfile); st.Uid != 0 {
			t.Errorf("got a pidfile of user %d, want root's: it is made before", st.Uid)
		}
		if text, err := os.ReadFile(pidfile); err != nil || len(text) > 0 {
			t.Errorf("got %q, %v in the pidfile, want it emptied", text, err)
		}
		again := p.start(t, "-listen", at.String(), "-pidfile", pidfile)
		p.mustServe(t, at)
		mustEnd(t, again)
		mustBeGone(t, at.Address)
		mustBeGone(t, pidfile)
	})
}

// TestUserCleansUp runs in a directory of the user that it drops to.
func TestUserCleansUp(t *testing.T) {
	needRoot(t)
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		if err := os.Chown(directory, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		at, pidfile := socketIn(directory), filepath.Join(directory, "pid")
		mustEnd(t, p.start(t, "-listen", at.String(), "-pidfile", pidfile, "-user", "nobody"))
		mustBeGone(t, at.Address)
		mustBeGone(t, pidfile)
	})
}
