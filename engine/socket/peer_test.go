package socket

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestAdmits looks at peers of many kinds. Only root can be all of them.
func TestAdmits(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	many := make([]uint32, maxGroups)
	for i := range many {
		many[i] = uint32(100_000 + i)
	}
	for _, row := range []struct {
		name   string
		groups []uint32 // supplementary ones of the peer, which is user 4711 in group 4712
		access Access
		want   bool
	}{
		{"no one is named", []uint32{5}, Access{}, false},
		{"its user", nil, Access{Users: []uint32{1, 4711}}, true},
		{"root alone", nil, Access{Users: []uint32{0}, Groups: []uint32{0}}, false},
		{"its group", nil, Access{Groups: []uint32{4712}}, true},
		{"the number of its user as a group", nil, Access{Groups: []uint32{4711}}, false},
		{"the number of its group as a user", nil, Access{Users: []uint32{4712}}, false},
		{"a supplementary group", []uint32{7, 5, 9}, Access{Users: []uint32{1}, Groups: []uint32{1, 9}}, true},
		{"no supplementary group", nil, Access{Groups: []uint32{9}}, false},
		{"the groups of another", []uint32{7, 5}, Access{Groups: []uint32{9}}, false},
		{"the last of a hundred groups", many[:100], Access{Groups: []uint32{many[99]}}, true},
		{"the last of all groups that a process can have", many, Access{Groups: []uint32{many[maxGroups-1]}}, true},
		{"none of all groups", many, Access{Groups: []uint32{9}}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			fd := connectedBy(t, row.groups)
			for range 2 { // a buffer that has grown serves again
				got, peer, err := row.access.Admits(fd)
				if want := (Peer{PID: int32(os.Getpid()), UID: 4711, GID: 4712}); got != row.want || peer != want || err != nil {
					t.Errorf("got %v, %+v, %v, want %v, %+v, nil", got, peer, err, row.want, want)
				}
			}
		})
	}
}

// connectedBy gives the accepted end of a connection that user 4711 in group 4712 and these
// groups has made.
func connectedBy(t *testing.T, groups []uint32) int {
	t.Helper()
	ln, at := listener(t)
	for _, path := range []string{at.Name, filepath.Dir(at.Name)} {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	fds := make(chan int)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine
		list := append([]uint32{0}, groups...)[1:]
		mustRaw(t, unix.SYS_SETGROUPS, uintptr(len(list)), uintptr(unsafe.Pointer(unsafe.SliceData(list))), 0)
		mustRaw(t, unix.SYS_SETRESGID, 4712, 4712, 4712)
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Error(err)
		}
		// The directory is root's alone: connect as root of the file system.
		mustRaw(t, unix.SYS_SETREUID, ^uintptr(0), 4711, 0)
		if err := unix.Connect(fd, &unix.SockaddrUnix{Name: at.Name}); err != nil {
			t.Error(err)
		}
		fds <- fd
	}()
	client := <-fds
	t.Cleanup(func() { _ = unix.Close(client) })
	fd, err := Accept(ln, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// mustRaw makes a system call in this thread alone.
func mustRaw(t *testing.T, trap, a1, a2, a3 uintptr) {
	t.Helper()
	if _, _, errno := unix.RawSyscall(trap, a1, a2, a3); errno != 0 {
		t.Errorf("system call %d: %v", trap, errno)
	}
}

// TestAdmitsNoUnixSocket: the kernel tells nothing of such a peer, and it is refused.
func TestAdmitsNoUnixSocket(t *testing.T) {
	if ok, _, err := (&Access{Users: []uint32{0}}).Admits(-1); ok || err == nil {
		t.Errorf("no socket: got %v, %v, want an error", ok, err)
	}
}

// TestPeerAddress is what the other side has as its own address.
func TestPeerAddress(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Logf("%s: %v", at, err)
			continue
		}
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := accepted.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) {
			if got, want := PeerAddress(int(fd)), conn.LocalAddr().String(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
		_, _, _ = conn.Close(), accepted.Close(), l.Close()
	}
	a, _ := pair(t)
	if got := PeerAddress(a); got != "" {
		t.Errorf("a unix socket: got %q, want nothing", got)
	}
	if got := PeerAddress(-1); got != "" {
		t.Errorf("no socket: got %q, want nothing", got)
	}
}
