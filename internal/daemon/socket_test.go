package daemon

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"distcache/internal/test/kit"
)

func TestSocketAccess(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		umask    string
		args     []string
		mode     uint32
		uid, gid uint32
		root     bool
	}{
		{"umask alone", "022", nil, 0o755, 0, 0, false},
		{"narrow umask alone", "077", nil, 0o700, 0, 0, false},
		{"perms", "022", []string{"-sockperms", "660"}, 0o660, 0, 0, false},
		{"perms of four digits", "022", []string{"-sockperms=0600"}, 0o600, 0, 0, false},
		{"umask 000 changes no perms", "000", []string{"-sockperms", "600"}, 0o600, 0, 0, false},
		{"umask 777 changes no perms", "777", []string{"--sockperms=666"}, 0o666, 0, 0, false},
		{"owner", "022", []string{"-sockowner", "nobody"}, 0o755, nobody, nobody, true},
		{"group", "022", []string{"-sockgroup", "65534", "-sockperms", "660"}, 0o660, 0, nobody, true},
		{"owner and group by number", "022", []string{"-sockowner=1234", "-sockgroup=1235", "-sockperms=770"}, 0o770, 1234, 1235, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				if row.root {
					needRoot(t)
				}
				at := kit.Unix(t)
				args := append([]string{"-listen", at.String()}, row.args...)
				p.run(t, underUmask(row.umask, p.command(args...)))
				st := stat(t, at.Address)
				if got := st.Mode & 0o7777; got != row.mode {
					t.Errorf("got mode %03o, want %03o", got, row.mode)
				}
				if row.root && (st.Uid != row.uid || st.Gid != row.gid) {
					t.Errorf("got owner %d and group %d, want %d and %d", st.Uid, st.Gid, row.uid, row.gid)
				}
			})
		})
	}
}

// underUmask is the command under another umask.
func underUmask(umask string, c kit.Command) kit.Command {
	return inShell(c, "umask "+umask)
}

// inShell is the command after some lines of shell, in the same process.
func inShell(c kit.Command, lines string) kit.Command {
	c.Args = append([]string{"-ec", lines + "\n" + `exec "$0" "$@"`, c.Path}, c.Args...)
	c.Path = "/bin/sh"
	return c
}

func TestSocketReadOnlyPerms(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		process := p.start(t, "-listen", at.String(), "-sockperms", "440")
		if got := stat(t, at.Address).Mode & 0o7777; got != 0o440 {
			t.Errorf("got mode %03o, want 440: it is what was asked for", got)
		}
		if text := process.Stderr(); !strings.Contains(text, "-sockperms 440") || !strings.Contains(text, "660") {
			t.Errorf("got stderr %q, want a warning that names -sockperms 440 and suggests 660", text)
		}
	})
}

// TestSocketNeverMoreOpen tries to connect as an ordinary user while a daemon starts over
// and over, which -sockperms forbids at every instant.
func TestSocketNeverMoreOpen(t *testing.T) {
	t.Parallel()
	needRoot(t)
	many := 6
	if kit.Full() {
		many = 24
	}
	for _, row := range []struct {
		perms  string
		starts int
		open   bool
	}{{"600", many, false}, {"666", 2, true}} {
		t.Run(row.perms, func(t *testing.T) {
			t.Parallel()
			at := kit.Unix(t)
			if err := os.Chmod(filepath.Dir(at.Address), 0o755); err != nil {
				t.Fatal(err)
			}
			var connects atomic.Int64
			quit, ended := make(chan struct{}), make(chan error)
			go func() { ended <- connectAs(nobody, at.Address, quit, &connects) }()
			for n := range row.starts {
				// Under umask 000 a socket is open to everybody between bind and chmod, in a
				// daemon that is not careful.
				process := programs()[n%2].run(t, underUmask("000",
					programs()[n%2].command("-listen", at.String(), "-sockperms", row.perms)))
				if row.open {
					kit.Wait(t, patience, "connect of a stranger", func() bool { return connects.Load() > 0 })
				}
				mustEnd(t, process)
			}
			close(quit)
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if got := connects.Load(); !row.open && got > 0 {
				t.Errorf("got %d connects of a stranger in %d starts with -sockperms %s, want none", got, row.starts, row.perms)
			}
		})
	}
}

func TestSocketObstacle(t *testing.T) {
	t.Parallel()
	target := filepath.Join(kit.SocketDir(t), "target")
	if err := os.WriteFile(target, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after all that follows
		if text, err := os.ReadFile(target); err != nil || string(text) != "precious" {
			t.Errorf("got %q, %v of the file behind the link, want it untouched", text, err)
		}
	})
	dead := deadSocket(t)
	for _, row := range []struct {
		name  string
		make  func(path string) error
		named string
	}{
		{"regular file", func(p string) error { return os.WriteFile(p, []byte("precious"), 0o600) }, "a regular file"},
		{"empty file", func(p string) error { return os.WriteFile(p, nil, 0o600) }, "a regular file"},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, "a directory"},
		{"link to nothing", func(p string) error { return os.Symlink("/nowhere/s", p) }, "a symbolic link"},
		{"link to a file", func(p string) error { return os.Symlink(target, p) }, "a symbolic link"},
		{"link to a dead socket", func(p string) error { return os.Symlink(dead, p) }, "a symbolic link"},
		{"fifo", func(p string) error { return syscall.Mkfifo(p, 0o600) }, "a named pipe"},
	} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := kit.Unix(t)
				if err := row.make(at.Address); err != nil {
					t.Fatal(err)
				}
				before := stat(t, at.Address)
				text := p.fails(t, 1, "-listen", at.String())
				if !strings.Contains(text, at.String()) || !strings.Contains(text, row.named) {
					t.Errorf("got stderr %q, want it to name %s and %s", text, at, row.named)
				}
				if after := stat(t, at.Address); after.Ino != before.Ino || after.Mode != before.Mode || after.Ctim != before.Ctim {
					t.Errorf("got another file, or another mode, than before: %+v, want %+v", after, before)
				}
			})
		})
	}
}

func TestSocketPathImpossible(t *testing.T) {
	t.Parallel()
	long := "/" + strings.Repeat("p", 107)
	for _, row := range []struct {
		name, address string
		code          int
		words         []string
	}{
		{"directory missing", "UNIX:/nowhere/at/all/s", 1, []string{"UNIX:/nowhere/at/all/s", "no such file"}},
		{"108 bytes", "UNIX:" + long, 2, []string{"-listen", long, "107"}},
		{"130 bytes", "UNIX:" + long + strings.Repeat("p", 22), 2, []string{"-listen", "130", "107"}},
		{"abstract", "UNIX:@name", 2, []string{"-listen", "@name", "abstract"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				mustName(t, p.fails(t, row.code, "-listen", row.address), row.words...)
			})
		})
	}
}

// mustName holds that a message names all of it.
func mustName(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("got %q, want it to name %q", text, word)
		}
	}
}

func TestSocketLongestPath(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		at := kit.Endpoint{Network: "unix", Address: directory + "/" + strings.Repeat("p", 107-len(directory)-1)}
		p.start(t, "-listen", at.String())
		p.mustServe(t, at)
	})
}

func TestSocketInUse(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		first := p.start(t, "-listen", at.String())
		before := stat(t, at.Address)
		text := p.fails(t, 1, "-listen", at.String())
		mustName(t, text, at.String(), "another process listens there")
		if stat(t, at.Address).Ino != before.Ino {
			t.Error("got another socket file than before, want it left alone")
		}
		p.mustServe(t, at)
		mustEnd(t, first)
	})
}

// deadSocket is the path of a socket on which nobody listens any more.
func deadSocket(t *testing.T) string {
	t.Helper()
	at := kit.Unix(t)
	l, err := net.Listen("unix", at.Address)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return at.Address
}

func TestSocketStale(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at := kit.Endpoint{Network: "unix", Address: deadSocket(t)}
		process := p.start(t, "-listen", at.String())
		p.mustServe(t, at)
		process.Kill()
		stat(t, at.Address) // kill -9 leaves it, to be replaced
		again := p.start(t, "-listen", at.String())
		p.mustServe(t, at)
		mustEnd(t, again)
		mustBeGone(t, at.Address)
	})
}

func TestSocketGoneAfterEnd(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		mustEnd(t, p.start(t, "-listen", at.String()))
		mustBeGone(t, at.Address)
		if names, err := os.ReadDir(filepath.Dir(at.Address)); err != nil || len(names) != 0 {
			t.Errorf("got %v, %v in the directory, want nothing left", names, err)
		}
	})
}

// TestSocketOfOthersStays replaces the socket file of a running daemon, which must not
// remove at its end what is not its own.
func TestSocketOfOthersStays(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		process := p.start(t, "-listen", at.String())
		process.Signal(syscall.SIGSTOP) // else it could make the file anew before the rival does
		if err := os.Remove(at.Address); err != nil {
			t.Fatal(err)
		}
		rival := p.start(t, "-listen", at.String())
		process.Signal(syscall.SIGCONT)
		mustEnd(t, process)
		p.mustServe(t, at)
		mustEnd(t, rival)
		mustBeGone(t, at.Address)
	})
}

// TestSocketRace starts several daemons on one path at the same time.
func TestSocketRace(t *testing.T) {
	t.Parallel()
	const rivals = 4
	rounds := 1
	if kit.Full() {
		rounds = 5
	}
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := kit.Unix(t)
				pidfile := filepath.Join(filepath.Dir(at.Address), "pid")
				var processes []*kit.Process
				for range rivals {
					processes = append(processes, p.command("-listen", at.String(), "-pidfile", pidfile).Start(t))
				}
				mustWinOne(t, processes)
				p.mustServe(t, at)
			})
		})
	}
}

// mustWinOne holds that all but one of the processes end with 1, and that one serves.
func mustWinOne(t *testing.T, processes []*kit.Process) {
	t.Helper()
	running := func() (n int) {
		for _, p := range processes {
			if p.Running() {
				n++
			}
		}
		return n
	}
	kit.Wait(t, patience, "end of all but one", func() bool { return running() <= 1 })
	ready := 0
	for _, p := range processes {
		if p.Running() {
			p.WaitStderr(patience, " ready ")
			ready++
		} else if code := p.Exit(patience); code != 1 {
			t.Errorf("got exit code %d of a loser, want 1; stderr:\n%s", code, p.Stderr())
		}
	}
	if ready != 1 {
		t.Errorf("got %d of %d that run, want 1", ready, len(processes))
	}
}

func TestSocketFlagsRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		args  []string
		code  int
		words []string
	}{
		{"owner unknown", []string{"-sockowner", "nosuchuser"}, 1, []string{"-sockowner", "nosuchuser", "neither a known user"}},
		{"group unknown", []string{"-sockgroup", "nosuchgroup"}, 1, []string{"-sockgroup", "nosuchgroup", "neither a known group"}},
		{"owner too high", []string{"-sockowner", "4294967295"}, 1, []string{"-sockowner", "4294967295"}},
		{"perms not octal", []string{"-sockperms", "68"}, 2, []string{"-sockperms", `"68"`, "octal"}},
		{"perms with set-user-ID", []string{"-sockperms", "4755"}, 2, []string{"-sockperms", `"4755"`, "octal"}},
		{"perms of letters", []string{"-sockperms", "rw-rw----"}, 2, []string{"-sockperms", `"rw-rw----"`, "octal"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := kit.Unix(t)
				mustName(t, p.fails(t, row.code, append(row.args, "-listen", at.String())...), row.words...)
				mustBeGone(t, at.Address)
			})
		})
	}
}

// TestSocketFlagsNotPermitted asks as an ordinary user for what only root may give.
func TestSocketFlagsNotPermitted(t *testing.T) {
	t.Parallel()
	needRoot(t)
	for _, flag := range []string{"-sockowner", "-sockgroup"} {
		t.Run(flag, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := kit.Unix(t)
				if err := os.Chmod(filepath.Dir(at.Address), 0o777); err != nil {
					t.Fatal(err)
				}
				c := p.command("-listen", at.String(), flag, "root")
				c.Sys = asNobody()
				mustName(t, failure(t, c, 1), at.String(), flag, "not permitted")
				mustBeGone(t, at.Address)
			})
		})
	}
}

func asNobody() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}
