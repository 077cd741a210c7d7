package socket

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pair gives the two ends of a non-blocking connection.
func pair(t testing.TB) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Close(fds[0])
		_ = unix.Close(fds[1])
	})
	return fds[0], fds[1]
}

// hangUp closes the socket of a pair. Its number stays taken until the test ends, so that
// nothing else has it then.
func hangUp(t testing.TB, fd int) {
	t.Helper()
	null, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(null)
	if err := unix.Dup3(null, fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
}

// listener gives a non-blocking listening socket and its address.
func listener(t testing.TB) (int, *unix.SockaddrUnix) {
	t.Helper()
	directory, err := os.MkdirTemp("", "dc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	at := &unix.SockaddrUnix{Name: filepath.Join(directory, "s")}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, at), unix.Listen(fd, 128)); err != nil {
		t.Fatal(err)
	}
	return fd, at
}

// connect gives a blocking connection to at.
func connect(t testing.TB, at unix.Sockaddr) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, at); err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestAccept(t *testing.T) {
	ln, at := listener(t)
	if fd, err := Accept(ln, false); fd != -1 || err != unix.EAGAIN {
		t.Fatalf("with nobody waiting: got %d, %v, want -1, EAGAIN", fd, err)
	}
	client := connect(t, at)
	defer unix.Close(client)
	fd, err := Accept(ln, false)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("file flags: got %#x, %v, want O_NONBLOCK", flags, err)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("descriptor flags: got %#x, %v, want FD_CLOEXEC", flags, err)
	}
	if _, err := unix.Write(client, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 8)
	if n, err := Read(fd, b); err != nil || string(b[:n]) != "hello" {
		t.Errorf("got %q, %v, want the client's bytes", b[:n], err)
	}
}

func TestReadTellsNothingYetFromTheEnd(t *testing.T) {
	a, b := pair(t)
	buf := make([]byte, 4)
	if n, err := Read(a, buf); n != 0 || err != unix.EAGAIN {
		t.Errorf("with nothing there: got %d, %v, want 0, EAGAIN", n, err)
	}
	if n, err := Write(b, []byte("sixsix")); n != 6 || err != nil {
		t.Fatalf("got %d, %v, want 6, nil", n, err)
	}
	hangUp(t, b)
	for _, want := range []string{"sixs", "ix", ""} {
		n, err := Read(a, buf)
		if err != nil || string(buf[:n]) != want {
			t.Errorf("got %q, %v, want %q, nil", buf[:n], err, want)
		}
	}
}

// TestWriteTakesWhatFits fills a socket: all that Write says was taken arrives.
func TestWriteTakesWhatFits(t *testing.T) {
	a, b := pair(t)
	block := bytes.Repeat([]byte("distcache"), 1<<12)
	taken := 0
	for {
		n, err := Write(a, block)
		taken += n
		if err == unix.EAGAIN {
			if n != 0 {
				t.Errorf("with EAGAIN: got %d bytes, want 0", n)
			}
			break
		}
		if err != nil || taken > 64<<20 {
			t.Fatalf("after %d bytes: got %v, want EAGAIN", taken, err)
		}
	}
	hangUp(t, a)
	end, err := unix.FcntlInt(uintptr(b), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(end), "b")
	defer file.Close()
	got, err := io.ReadAll(file)
	if err != nil || len(got) != taken || taken == 0 {
		t.Errorf("got %d bytes, %v, want %d", len(got), err, taken)
	}
}

// TestErrors holds that errors are bare errno values, which callers compare with ==.
func TestErrors(t *testing.T) {
	a, b := pair(t)
	hangUp(t, b)
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	plain := int(file.Fd())
	rows := []struct {
		name string
		call func() (int, error)
		n    int
		want error
	}{
		{"write to one who left", func() (int, error) { return Write(a, []byte("x")) }, 0, unix.EPIPE},
		{"read of no descriptor", func() (int, error) { return Read(-1, make([]byte, 1)) }, 0, unix.EBADF},
		{"write to no descriptor", func() (int, error) { return Write(-1, make([]byte, 1)) }, 0, unix.EBADF},
		{"accept on no descriptor", func() (int, error) { return Accept(-1, false) }, -1, unix.EBADF},
		{"accept on a file", func() (int, error) { return Accept(plain, false) }, -1, unix.ENOTSOCK},
		{"accept on a connection", func() (int, error) { return Accept(a, false) }, -1, unix.EINVAL},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if n, err := row.call(); n != row.n || err != row.want {
				t.Errorf("got %d, %v, want %d, %v", n, err, row.n, row.want)
			}
		})
	}
}

func TestErrorNamesTheCall(t *testing.T) {
	err := Error("read", unix.ECONNRESET)
	if !errors.Is(err, unix.ECONNRESET) || !strings.HasPrefix(err.Error(), "read: ") {
		t.Errorf("got %q, want ECONNRESET of read", err)
	}
	if err := Error("read", nil); err != nil {
		t.Errorf("no error: got %v, want nil", err)
	}
}

// TestReadDiscardsPassedDescriptors sends descriptors along with bytes. A plain read takes
// the bytes; the kernel drops the descriptors, which would be a leak that a client steers.
func TestReadDiscardsPassedDescriptors(t *testing.T) {
	a, b := pair(t)
	r, w := pair(t)
	if err := unix.Sendmsg(b, []byte("x"), unix.UnixRights(w, w, w), nil, 0); err != nil {
		t.Fatal(err)
	}
	hangUp(t, w) // what is in the message are the last ones of that end
	buf := make([]byte, 8)
	if n, err := Read(r, buf); err != unix.EAGAIN {
		t.Fatalf("before the message is read: got %d, %v, want EAGAIN", n, err)
	}
	if n, err := Read(a, buf); n != 1 || err != nil {
		t.Fatalf("got %d, %v, want 1, nil", n, err)
	}
	if n, err := Read(r, buf); n != 0 || err != nil {
		t.Errorf("the other end, once the message is read: got %d, %v, want 0, nil: the end of the stream", n, err)
	}
}
