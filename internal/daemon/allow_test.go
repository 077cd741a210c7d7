package daemon

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// caller is a user who connects.
type caller struct {
	uid, gid int
	groups   []uint32
}

// connect makes a connection as that user. Only root can.
func (c caller) connect(t *testing.T, at kit.Endpoint) net.Conn {
	t.Helper()
	var conn net.Conn
	c.do(t, func() (err error) {
		conn, err = net.DialTimeout(at.Network, at.Address, patience)
		return err
	})
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// do calls fn on a thread that is that user's, which ends then.
func (c caller) do(t *testing.T, fn func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine
		groups := append([]uint32{0}, c.groups...)[1:]
		for _, call := range [][4]uintptr{
			{unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(unsafe.SliceData(groups)))},
			{unix.SYS_SETRESGID, uintptr(c.gid), uintptr(c.gid), uintptr(c.gid)},
			{unix.SYS_SETRESUID, uintptr(c.uid), uintptr(c.uid), uintptr(c.uid)},
		} {
			if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
				done <- errno
				return
			}
		}
		done <- fn()
	}()
	if err := <-done; err != nil {
		t.Fatalf("as user %d: %v", c.uid, err)
	}
}

// served reports whether the daemon answers, and does not close the connection.
func served(t *testing.T, conn net.Conn) bool {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = conn.Write(kit.Have(1, "nobody's")) // EPIPE where it is closed already
	answer := make([]byte, codec.HeaderSize+1)
	n, err := conn.Read(answer)
	if n == 0 && os.IsTimeout(err) {
		t.Fatal("got no answer and no end")
	}
	return n > 0
}

// openDirectory is one for a socket that all users may reach.
func openDirectory(t *testing.T) string {
	t.Helper()
	directory := kit.SocketDir(t)
	if err := os.Chmod(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	return directory
}

// TestAllow: those whom the flags name are served, by their user, their group or one of their
// other groups. No one else is, not even root and the user of the daemon.
func TestAllow(t *testing.T) {
	needRoot(t)
	named, member, root := caller{uid: 4711, gid: 4711}, caller{uid: 4712, gid: 4712, groups: []uint32{8, 4713}}, caller{}
	daemon := caller{uid: nobody, gid: nobody}
	for _, row := range []struct {
		name   string
		args   []string
		served []bool // named, member, root, the daemon's user
	}{
		{"without the flags", nil, []bool{true, true, true, true}},
		{"a user", []string{"-allowuser", "4711"}, []bool{true, false, false, false}},
		{"several users", []string{"-allowuser", "4711,root", "-allowuser", "4712"}, []bool{true, true, true, false}},
		{"a group", []string{"-allowgroup", "4713"}, []bool{false, true, false, false}},
		{"a primary group, by name", []string{"-allowgroup", "root"}, []bool{false, false, true, false}},
		{"both", []string{"-allowuser", "4711", "-allowgroup", "4712"}, []bool{true, true, false, false}},
	} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := socketIn(openDirectory(t))
				process := p.start(t, append(row.args, "-listen", at.String(), "-sockperms", "666", "-user", "nobody")...)
				for i, c := range []caller{named, member, root, daemon} {
					if got := served(t, c.connect(t, at)); got != row.served[i] {
						t.Errorf("user %d: got served: %v, want %v; stderr:\n%s", c.uid, got, row.served[i], process.Stderr())
					}
				}
				mustEnd(t, process)
			})
		})
	}
}

// TestAllowTells: a connection that is refused is counted and logged, with the IDs of the
// process, at most once a second.
func TestAllowTells(t *testing.T) {
	needRoot(t)
	forEach(t, func(t *testing.T, p program) {
		at := socketIn(openDirectory(t))
		process := p.start(t, "-listen", at.String(), "-sockperms", "666", "-allowuser", "root")
		began := time.Now()
		const many = 50
		for range many {
			if served(t, caller{uid: 4711, gid: 4712}.connect(t, at)) {
				t.Fatal("got another user served")
			}
		}
		process.WaitStderr(patience, "client refused")
		lines := strings.Count(process.Stderr(), "client refused")
		if most := 2 + int(time.Since(began)/time.Second); lines > most {
			t.Errorf("got %d lines about %d connections, want %d at most", lines, many, most)
		}
		if want := fmt.Sprintf("uid=4711 gid=4712 pid=%d refused=1", os.Getpid()); !strings.Contains(process.Stderr(), want) {
			t.Errorf("got stderr %q, want %q", process.Stderr(), want)
		}
		p.mustServe(t, at)
	})
}

// TestAllowOfPassedSocket: a unix socket that was passed in is no exception, and one of TCP is
// refused at the start.
func TestAllowOfPassedSocket(t *testing.T) {
	needRoot(t)
	forEach(t, func(t *testing.T, p program) {
		at := socketIn(openDirectory(t))
		c := p.command("-listen", "FD:3", "-allowuser", "4711")
		c.Files = []*os.File{listeningSocket(t, at.Address)}
		p.run(t, c)
		if served(t, caller{}.connect(t, at)) {
			t.Error("got root served, want user 4711 alone")
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = listener.Close() }()
		file, err := listener.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		c.Files = []*os.File{file}
		if text := failure(t, c, 1); !strings.Contains(text, "-allowuser: no -listen is a unix socket") {
			t.Errorf("got stderr %q, want -allowuser refused", text)
		}
	})
}

// TestAllowOfSeveralPassedSockets: systemd stands for two sockets, and the warning is about the one of TCP.
func TestAllowOfSeveralPassedSockets(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = listener.Close() }()
		tcp, err := listener.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tcp.Close() }()
		c := inShell(p.command("-listen", "systemd", "-allowuser", fmt.Sprint(os.Geteuid())), "export LISTEN_PID=$$ LISTEN_FDS=2")
		c.Files = []*os.File{listeningSocket(t, at.Address), tcp}
		process := p.run(t, c)
		process.WaitStderr(patience, "-allowuser: no effect on -listen systemd, where all clients are served")
		p.mustServe(t, at)
	})
}

// TestAllowCosts: without the flags an accepted connection costs no getsockopt, with -allowuser
// one, and where the groups decide two.
func TestAllowCosts(t *testing.T) {
	needRoot(t)
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not there to count system calls")
	}
	const many = 20
	for _, row := range []struct {
		name                string
		args                []string
		credentials, groups int
	}{
		{"without", nil, 0, 0},
		{"a user", []string{"-allowuser", "root"}, many, 0},
		{"groups", []string{"-allowuser", "4711", "-allowgroup", "4712"}, many, many},
	} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at, trace := kit.Unix(t), filepath.Join(t.TempDir(), "trace")
				c := p.command(append(row.args, "-listen", at.String())...)
				c.Args = append([]string{"-D", "-f", "-qq", "-o", trace, "-e", "trace=accept4,getsockopt", c.Path}, c.Args...)
				c.Path = strace
				process := p.run(t, c)
				before := calls(t, trace)
				for range many {
					served(t, caller{}.connect(t, at))
				}
				process.Wait(patience, "all calls in the trace", func() bool { return bytes.Count(calls(t, trace)[len(before):], []byte("accept4(")) >= many })
				mustEnd(t, process)
				text := calls(t, trace)[len(before):]
				all, credentials := bytes.Count(text, []byte("getsockopt(")), bytes.Count(text, []byte("SO_PEERCRED"))
				all -= bytes.Count(text, []byte("SO_DOMAIN")) // of dc_client's own attempts to connect
				if credentials != row.credentials || all != row.credentials+row.groups {
					t.Errorf("got %d getsockopt, %d of them for credentials, want %d and %d:\n%s",
						all, credentials, row.credentials+row.groups, row.credentials, text)
				}
			})
		})
	}
}

func calls(t *testing.T, trace string) []byte {
	t.Helper()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
