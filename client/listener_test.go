//go:build linux

package client

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"distcache/internal/test/kit"
)

const stranger = 54321 // a user that is neither root nor that of the test

// listenAs returns the address of a unix socket for which the kernel reports uid as the user
// that listens. It needs root.
func listenAs(t *testing.T, uid int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { _ = file.Close() })
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine: it has changed its user
		const same = ^uintptr(0)
		if _, _, no := syscall.RawSyscall(syscall.SYS_SETRESUID, same, uintptr(uid), same); no != 0 {
			done <- no
			return
		}
		done <- syscall.Listen(fd, 8)
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return "UNIX:" + path
}

func TestCheckListener(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to listen as another user")
	}
	tests := []struct {
		name string
		uid  int
		opt  Options
		want error
	}{
		{"another user, not checked", stranger, Options{}, nil},
		{"another user", stranger, Options{CheckListener: true}, ErrListener},
		{"another user than those named", stranger, Options{CheckListener: true, ListenerUIDs: []int{stranger + 1}}, ErrListener},
		{"a user that is named", stranger, Options{CheckListener: true, ListenerUIDs: []int{1, stranger}}, nil},
		{"root", 0, Options{CheckListener: true}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Dial(t.Context(), listenAs(t, test.uid), test.opt)
			wantErr(t, "Dial", err, test.want)
			if err == nil {
				_ = c.Close()
			}
		})
	}
}

// TestCheckListenerAllowsOneself: an operation passes where this process itself listens.
func TestCheckListenerAllowsOneself(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	c := open(t, up.Endpoint(), Options{CheckListener: true})
	_, err := c.Get(t.Context(), []byte("id"))
	wantErr(t, "Get", err, ErrNotFound)
}

func TestCheckListenerOfTCP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	for _, opt := range []Options{{CheckListener: true}, {ListenerUIDs: []int{1}}} {
		_, err := Open("IP:"+listener.Addr().String(), opt)
		wantErr(t, "Open", err, ErrOptions)
	}
}
