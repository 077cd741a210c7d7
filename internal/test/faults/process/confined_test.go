package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"

	"distcache/internal/test/kit"
)

// jail is an empty root directory with the binary in it.
func (p program) jail(t *testing.T) (directory string) {
	t.Helper()
	needRoot(t)
	directory = kit.SocketDir(t)
	// Not a copy: a file that was just written cannot be run while another test forks.
	if err := os.Link(p.path, filepath.Join(directory, p.name)); err != nil {
		t.Fatal(err)
	}
	return directory
}

// TestO22EmptyRootDirectory: without /proc, /etc and /dev a daemon serves, and writes and
// removes its files as ever.
func TestO22EmptyRootDirectory(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		directory := p.jail(t)
		c := p.command("-listen", "UNIX:/s", "-pidfile", "/pid", "-sockperms", "600", "-sockowner", "12345")
		c.Path, c.Dir, c.Sys = "/"+p.name, "/", &syscall.SysProcAttr{Chroot: directory}
		process := ready(c.Start(t))
		p.mustServe(t, kit.Endpoint{Network: "unix", Address: filepath.Join(directory, "s")})
		mustEnd(t, process)
		if names, err := os.ReadDir(directory); err != nil || len(names) != 1 {
			t.Errorf("got %v, %v in the directory, want the binary alone", names, err)
		}
	})
}

// TestO22WhatCannotBeDoneIsSaid: each such start exits with code 1 and names the reason.
func TestO22WhatCannotBeDoneIsSaid(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		needRoot(t)
		for _, row := range []struct {
			name  string
			args  []string
			words []string
		}{
			{"no accounts to look up", []string{"-listen", "UNIX:/s", "-user", "nobody"}, []string{"-user nobody", "/etc/passwd"}},
			{"no owners to look up", []string{"-listen", "UNIX:/s", "-sockowner", "nobody"}, []string{`-sockowner "nobody"`}},
			{"no /dev/null to detach to", []string{"-listen", "UNIX:/s", "-daemon"}, []string{"/dev/null"}},
		} {
			t.Run(row.name, func(t *testing.T) {
				directory := p.jail(t)
				c := p.command(row.args...)
				c.Path, c.Dir, c.Sys = "/"+p.name, "/", &syscall.SysProcAttr{Chroot: directory}
				process := c.Start(t)
				if code := process.Exit(patience); code != 1 {
					t.Errorf("got exit code %d, want 1", code)
				}
				mustName(t, process.Stderr(), row.words...)
			})
		}
		t.Run("read-only file system", func(t *testing.T) {
			directory := kit.SocketDir(t)
			c := inShell(p.command("-listen", "UNIX:"+directory+"/s"), "mount -t tmpfs -o ro none "+directory)
			c.Sys = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
			process := c.Start(t)
			if code := process.Exit(patience); code != 1 {
				t.Errorf("got exit code %d, want 1", code)
			}
			mustName(t, process.Stderr(), directory+"/s", "read-only file system")
		})
	})
}

// TestO22SystemCallsThatAreForbidden: a seccomp filter answers EPERM. If the call protects
// secrets, the start fails. If it only helps, the daemon does without it.
func TestO22SystemCallsThatAreForbidden(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not there to forbid system calls")
	}
	forEach(t, func(t *testing.T, p program) {
		for _, row := range []struct {
			call   string
			starts bool
			words  []string
		}{
			{"prctl", false, []string{"prctl PR_SET_DUMPABLE: operation not permitted"}},
			{"listen", false, []string{"listen: operation not permitted"}},
			{"prlimit64", false, []string{"the limit of open descriptors is ", "getrlimit: operation not permitted"}},
			{"flock", false, []string{"flock: operation not permitted"}},
			{"ioctl", true, nil},        // the socket's file is found by its name then
			{"timer_create", true, nil}, // for the worst only
		} {
			t.Run(row.call, func(t *testing.T) {
				t.Parallel()
				at := kit.Unix(t)
				c := p.command("-listen", at.String())
				c.Args = append([]string{"-qq", "-f", "-o", "/dev/null", "-e", "trace=" + row.call,
					"-e", "inject=" + row.call + ":error=EPERM", c.Path}, c.Args...)
				c.Path = strace
				process := c.Start(t)
				if row.starts {
					ready(process)
					p.mustServe(t, at)
					mustEndTraced(t, process)
					return
				}
				if code := process.Exit(patience); code != 1 {
					t.Errorf("got exit code %d, want 1; stderr:\n%s", code, process.Stderr())
				}
				mustName(t, process.Stderr(), row.words...)
			})
		}
	})
}

// mustEndTraced ends the daemon that strace runs, and so strace.
func mustEndTraced(t *testing.T, strace *kit.Process) {
	t.Helper()
	found := regexp.MustCompile(` pid=(\d+) `).FindStringSubmatch(strace.Stderr())
	if found == nil {
		t.Fatalf("got %q, want a line with the process ID", strace.Stderr())
	}
	pid, _ := strconv.Atoi(found[1]) // digits
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := strace.Exit(patience); code != 0 {
		t.Errorf("got exit code %d after SIGTERM, want 0; stderr:\n%s", code, strace.Stderr())
	}
}
