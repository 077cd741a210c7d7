package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"distcache/internal/test/kit"
)

// pidIn reads a pidfile, which must hold one number and a newline.
func pidIn(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSuffix(string(text), "\n"))
	if err != nil || !strings.HasSuffix(string(text), "\n") {
		t.Fatalf("%s: got %q, want a number and a newline", path, text)
	}
	return pid
}

func TestPidfile(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		at, pidfile := socketIn(directory), filepath.Join(directory, "pid")
		process := p.start(t, "-listen", at.String(), "-pidfile", pidfile)
		if got := pidIn(t, pidfile); got != process.PID() {
			t.Errorf("got process ID %d in the file, want %d", got, process.PID())
		}
		if got := stat(t, pidfile).Mode & 0o7777; got != 0o644 {
			t.Errorf("got mode %03o, want 644", got)
		}
		mustEnd(t, process)
		mustBeGone(t, pidfile)
	})
}

// TestPidfileHeld starts a second daemon on another socket with the same pidfile.
func TestPidfileHeld(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		pidfile := filepath.Join(kit.SocketDir(t), "pid")
		first, second := kit.Unix(t), kit.Unix(t)
		process := p.start(t, "-listen", first.String(), "-pidfile", pidfile)
		text := p.fails(t, 1, "-listen", second.String(), "-pidfile", pidfile)
		mustName(t, text, "-pidfile", pidfile, "in use by a running process", fmt.Sprint(process.PID()))
		mustBeGone(t, second.Address)
		if got := pidIn(t, pidfile); got != process.PID() {
			t.Errorf("got process ID %d in the file, want still %d", got, process.PID())
		}
	})
}

func TestPidfileStale(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		at, pidfile := socketIn(directory), filepath.Join(directory, "pid")
		dead := p.start(t, "-listen", at.String(), "-pidfile", pidfile)
		dead.Kill()
		if got := pidIn(t, pidfile); got != dead.PID() {
			t.Fatalf("got process ID %d after kill -9, want %d left over", got, dead.PID())
		}
		process := p.start(t, "-listen", at.String(), "-pidfile", pidfile)
		if got := pidIn(t, pidfile); got != process.PID() {
			t.Errorf("got process ID %d in the file, want %d", got, process.PID())
		}
	})
}

func TestPidfileRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		make func(path string) error
		word string
	}{
		{"link to nothing", func(p string) error { return os.Symlink("/nowhere/pid", p) }, "symbolic link"},
		{"link to a file", func(p string) error {
			if err := os.WriteFile(p+".target", []byte("1\n"), 0o644); err != nil {
				return err
			}
			return os.Symlink(p+".target", p)
		}, "symbolic link"},
		{"directory", func(p string) error { return os.Mkdir(p, 0o755) }, "directory"},
		{"fifo", func(p string) error { return syscall.Mkfifo(p, 0o600) }, "named pipe"},
		{"another text", func(p string) error { return os.WriteFile(p, []byte("precious\n"), 0o644) }, "not a pidfile"},
	} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				directory := kit.SocketDir(t)
				at, pidfile := socketIn(directory), filepath.Join(directory, "pid")
				if err := row.make(pidfile); err != nil {
					t.Fatal(err)
				}
				before := stat(t, pidfile)
				mustName(t, p.fails(t, 1, "-listen", at.String(), "-pidfile", pidfile), "-pidfile", pidfile, row.word)
				if after := stat(t, pidfile); after.Ino != before.Ino || after.Mtim != before.Mtim {
					t.Errorf("got %+v at the path, want it untouched: %+v", after, before)
				}
				mustBeGone(t, at.Address)
			})
		})
	}
}

func TestPidfileImpossible(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, path, word string }{
		{"directory missing", "/nowhere/at/all/pid", "no such file"},
		{"device", "/dev/full", "device"},
		{"read-only", "/proc/pid", "/proc"},
	} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := kit.Unix(t)
				mustName(t, p.fails(t, 1, "-listen", at.String(), "-pidfile", row.path), "-pidfile", row.path, row.word)
				mustBeGone(t, at.Address)
			})
		})
	}
}

// TestPidfileDiskFull puts the pidfile where there is no room for its content.
func TestPidfileDiskFull(t *testing.T) {
	needRoot(t)
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		at := kit.Unix(t)
		c := inShell(p.command("-listen", at.String(), "-pidfile", directory+"/pid"),
			"mount -t tmpfs -o size=4k none "+directory+"\n"+
				"dd if=/dev/zero of="+directory+"/full bs=4k count=1 2>/dev/null\n"+
				"trap 'ls -A "+directory+" >&2' EXIT")
		// The shell stays, to show what is left.
		c.Args[1] = strings.Replace(c.Args[1], "exec ", "", 1)
		c.Sys = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		text := failure(t, c, 1)
		mustName(t, text, "-pidfile", "no space left")
		if !strings.HasSuffix(text, "\nfull\n") {
			t.Errorf("got %q, want nothing but the file named full in the directory", text)
		}
		mustBeGone(t, at.Address)
	})
}

// TestPidfileDirectoryRenamed moves the directory of socket and pidfile while a daemon runs.
func TestPidfileDirectoryRenamed(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		was, is := filepath.Join(directory, "was"), filepath.Join(directory, "is")
		if err := os.Mkdir(was, 0o755); err != nil {
			t.Fatal(err)
		}
		process := p.start(t, "-listen", socketIn(was).String(), "-pidfile", was+"/pid")
		if err := os.Rename(was, is); err != nil {
			t.Fatal(err)
		}
		mustEnd(t, process)
		mustBeGone(t, is+"/pid")
		mustBeGone(t, is+"/s")
	})
}
