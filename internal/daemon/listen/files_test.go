package listen

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
)

// tempDirectory returns a directory with a short name, of the given mode, which every user can reach.
func tempDirectory(t *testing.T, mode os.FileMode) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dc")
	check(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	check(t, os.Chmod(dir, mode))
	return dir
}

func unixAddress(path string) address.Address {
	return address.Address{Kind: address.Unix, Path: path}
}

// mustOpen opens a unix socket that is closed with the test.
func mustOpen(t *testing.T, path string, opt Options) *Socket {
	t.Helper()
	s, err := Open(unixAddress(path), opt)
	check(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// rawSocket binds a socket of the type, and listens if backlog is 0 or more. It is made without this package.
func rawSocket(t *testing.T, path string, kind, backlog int) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	check(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	check(t, unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	if backlog >= 0 {
		check(t, unix.Listen(fd, backlog))
	}
	return fd
}

// staleSocket leaves a socket file on which no process listens.
func staleSocket(t *testing.T, path string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(t, err)
	check(t, unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	check(t, unix.Close(fd))
}

// dial connects without waiting, and returns the descriptor.
func dial(path string) (int, error) {
	fd, err := newSocket(unix.AF_UNIX)
	if err != nil {
		return -1, err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// checkAnswers demands that the path can be connected to.
func checkAnswers(t *testing.T, path string) {
	t.Helper()
	fd, err := dial(path)
	if err != nil {
		t.Fatalf("connect to %s: got %v, want no error", path, err)
	}
	_ = unix.Close(fd)
}

func lstat(t *testing.T, path string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatalf("lstat %s: %v", path, err)
	}
	return st
}

func checkAbsent(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: got error %v, want nothing there", path, err)
	}
}

// openFiles counts this process's descriptors.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	return len(entries)
}

func TestModes(t *testing.T) {
	tests := []struct {
		name, perms string
		umask       int
		want        uint32
	}{
		{"660, umask 000", "660", 0o000, 0o660},
		{"660, umask 077", "660", 0o077, 0o660},
		{"660, umask 777", "660", 0o777, 0o660},
		{"0660, umask 022", "0660", 0o022, 0o660},
		{"440, umask 000", "440", 0o000, 0o440},
		{"440, umask 777", "440", 0o777, 0o440},
		{"000, umask 000", "000", 0o000, 0o000},
		{"777, umask 077", "777", 0o077, 0o777},
		{"none, umask 000", "", 0o000, 0o777},
		{"none, umask 022", "", 0o022, 0o755},
		{"none, umask 077", "", 0o077, 0o700},
		{"none, umask 777", "", 0o777, 0o000},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(tempDirectory(t, 0o755), "s")
			before := unix.Umask(test.umask)
			s, err := Open(unixAddress(path), Options{Perms: test.perms})
			if after := unix.Umask(before); after != test.umask {
				t.Errorf("umask after Open: got %03o, want %03o", after, test.umask)
			}
			check(t, err)
			defer func() { check(t, s.Close()) }()
			if st := lstat(t, path); st.Mode != unix.S_IFSOCK|test.want {
				t.Errorf("mode: got %o, want a socket with %03o", st.Mode, test.want)
			}
		})
	}
}

func TestDescriptorFlags(t *testing.T) {
	for _, text := range []string{"UNIX:" + filepath.Join(tempDirectory(t, 0o755), "s"), "IP:127.0.0.1:0"} {
		s, err := Open(mustParse(text), Options{})
		check(t, err)
		checkFlags(t, s.FD)
		check(t, s.Close())
	}
}

func checkFlags(t *testing.T, fd int) {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	check(t, err)
	if flags&unix.O_NONBLOCK == 0 {
		t.Errorf("descriptor %d: got a blocking one, want non-blocking", fd)
	}
	flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	check(t, err)
	if flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("descriptor %d: got one that survives exec, want close-on-exec", fd)
	}
}

func TestPathLength(t *testing.T) {
	dir := tempDirectory(t, 0o755)
	path := func(n int) string { return dir + "/" + strings.Repeat("p", n-len(dir)-1) }
	s := mustOpen(t, path(107), Options{})
	checkAnswers(t, path(107))
	if want := "UNIX:" + path(107); s.Addr() != want {
		t.Errorf("Addr: got %s, want %s", s.Addr(), want)
	}
	for _, n := range []int{108, 130} {
		if _, err := Open(unixAddress(path(n)), Options{}); !errors.Is(err, address.ErrLongPath) {
			t.Errorf("%d bytes: got %v, want %v", n, err, address.ErrLongPath)
		}
	}
	check(t, s.Close())
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("left in the directory: got %v, %v, want nothing", entries, err)
	}
}

func TestBadDirectories(t *testing.T) {
	dir := tempDirectory(t, 0o755)
	check(t, os.WriteFile(dir+"/file", nil, 0o600))
	tests := []struct {
		name, path string
		want       error
		says       string
	}{
		{"missing", dir + "/none/s", unix.ENOENT, dir + "/none "},
		{"a file", dir + "/file/s", unix.ENOTDIR, dir + "/file "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(unixAddress(test.path), Options{})
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %v that names %q", err, test.want, test.says)
			}
		})
	}
}

// TestObstacles is RELIABILITY.md O09: anything but a dead socket stays as it is.
func TestObstacles(t *testing.T) {
	tests := []struct {
		name string
		put  func(t *testing.T, path string)
		says string
	}{
		{"regular file", func(t *testing.T, path string) { check(t, os.WriteFile(path, []byte("text"), 0o640)) }, "a regular file"},
		{"empty directory", func(t *testing.T, path string) { check(t, os.Mkdir(path, 0o750)) }, "a directory"},
		{"dangling link", func(t *testing.T, path string) { check(t, os.Symlink(path+".none", path)) }, "a symbolic link"},
		{"link to a file", func(t *testing.T, path string) {
			check(t, os.WriteFile(path+".target", nil, 0o640))
			check(t, os.Symlink(path+".target", path))
		}, "a symbolic link"},
		{"link to a dead socket", func(t *testing.T, path string) {
			staleSocket(t, path+".target")
			check(t, os.Symlink(path+".target", path))
		}, "a symbolic link"},
		{"link to a live socket", func(t *testing.T, path string) {
			rawSocket(t, path+".target", unix.SOCK_STREAM, 1)
			check(t, os.Symlink(path+".target", path))
		}, "a symbolic link"},
		{"named pipe", func(t *testing.T, path string) { check(t, unix.Mkfifo(path, 0o640)) }, "a named pipe"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := tempDirectory(t, 0o755)
			path := filepath.Join(dir, "s")
			test.put(t, path)
			before := snapshot(t, dir)
			_, err := Open(unixAddress(path), Options{Perms: "666"})
			if !errors.Is(err, ErrOccupied) {
				t.Fatalf("got %v, want %v", err, ErrOccupied)
			}
			if !strings.Contains(err.Error(), "UNIX:"+path) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got message %q, want the path and %q in it", err, test.says)
			}
			if after := snapshot(t, dir); after != before {
				t.Errorf("the directory: got\n%s\nwant it as before:\n%s", after, before)
			}
		})
	}
}

// snapshot describes all files of a directory.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	var b strings.Builder
	for _, entry := range entries {
		info, err := entry.Info()
		check(t, err)
		link, _ := os.Readlink(filepath.Join(dir, entry.Name()))
		b.WriteString(strings.Join([]string{entry.Name(), info.Mode().String(), info.ModTime().String(), link, "\n"}, " "))
	}
	return b.String()
}

func TestDeviceInTheWay(t *testing.T) {
	needRoot(t)
	path := filepath.Join(tempDirectory(t, 0o755), "s")
	if err := unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))); err != nil {
		t.Skipf("mknod: %v", err)
	}
	_, err := Open(unixAddress(path), Options{})
	if !errors.Is(err, ErrOccupied) || !strings.Contains(err.Error(), "a device") {
		t.Errorf("got %v, want %v, for a device", err, ErrOccupied)
	}
}

// TestLiveSockets is RELIABILITY.md O10.
func TestLiveSockets(t *testing.T) {
	tests := []struct {
		name string
		put  func(t *testing.T, path string)
	}{
		{"stream", func(t *testing.T, path string) { rawSocket(t, path, unix.SOCK_STREAM, 16) }},
		{"ours", func(t *testing.T, path string) { mustOpen(t, path, Options{}) }},
		{"stream, backlog full", func(t *testing.T, path string) {
			rawSocket(t, path, unix.SOCK_STREAM, 0)
			fillBacklog(t, path)
		}},
		{"datagram", func(t *testing.T, path string) { rawSocket(t, path, unix.SOCK_DGRAM, -1) }},
		{"seqpacket", func(t *testing.T, path string) { rawSocket(t, path, unix.SOCK_SEQPACKET, 1) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(tempDirectory(t, 0o755), "s")
			test.put(t, path)
			before := lstat(t, path)
			_, err := Open(unixAddress(path), Options{Perms: "600"})
			if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %v, with the path", err, ErrInUse)
			}
			if after := lstat(t, path); identity(after) != identity(before) || after.Mode != before.Mode {
				t.Errorf("the live socket's file: got %+v, want it as before: %+v", after, before)
			}
		})
	}
}

// fillBacklog connects until the socket takes no more, and returns how many it took.
func fillBacklog(t *testing.T, path string) int {
	t.Helper()
	for n := 0; n < 2*DefaultBacklog; n++ {
		fd, err := dial(path)
		if errors.Is(err, unix.EAGAIN) {
			return n
		}
		check(t, err)
		t.Cleanup(func() { _ = unix.Close(fd) })
	}
	t.Fatal("the backlog has no end")
	return 0
}

// TestStaleSocket is RELIABILITY.md O11.
func TestStaleSocket(t *testing.T) {
	path := filepath.Join(tempDirectory(t, 0o755), "s")
	staleSocket(t, path)
	s := mustOpen(t, path, Options{})
	checkAnswers(t, path)
	check(t, s.Close())
	checkAbsent(t, path)
}

func TestBacklog(t *testing.T) {
	path := filepath.Join(tempDirectory(t, 0o755), "s")
	mustOpen(t, path, Options{Backlog: 5})
	// Linux lets one more wait than it was told.
	if got := fillBacklog(t, path); got < 5 || got > 6 {
		t.Errorf("connections that wait: got %d, want 5 or 6", got)
	}
}

// TestNothingIsLeftWithoutDescriptors has a start fail for want of a descriptor at each of its steps, also after bind.
func TestNothingIsLeftWithoutDescriptors(t *testing.T) {
	var before unix.Rlimit
	check(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	dir := tempDirectory(t, 0o755)
	first, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	check(t, err)
	check(t, unix.Close(first))
	failed := 0
	for more := range 16 {
		lower := before
		lower.Cur = uint64(first + more)
		check(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &lower))
		s, err := Open(unixAddress(dir+"/s"), Options{})
		check(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &before))
		if err == nil {
			check(t, s.Close())
			break
		}
		failed++
		if !errors.Is(err, unix.EMFILE) {
			t.Errorf("%d more descriptors: got %v, want %v", more, err, unix.EMFILE)
		}
		if got := snapshot(t, dir); strings.TrimSpace(got) != "" {
			t.Fatalf("%d more descriptors: got %q left in the directory, want nothing", more, got)
		}
	}
	if failed < 4 {
		t.Errorf("got %d starts that failed, want one at each step", failed)
	}
}

func TestNothingLeaks(t *testing.T) {
	dir := tempDirectory(t, 0o755)
	check(t, os.WriteFile(dir+"/file", nil, 0o600))
	rawSocket(t, dir+"/live", unix.SOCK_STREAM, 16)
	tests := []struct {
		name, text string
		opt        Options
		ok         bool
	}{
		{"unix", "UNIX:" + dir + "/s", Options{Perms: "600"}, true},
		{"tcp", "IP:127.0.0.1:0", Options{}, true},
		{"regular file", "UNIX:" + dir + "/file", Options{}, false},
		{"live socket", "UNIX:" + dir + "/live", Options{}, false},
		{"unknown user", "UNIX:" + dir + "/s", Options{Owner: "no such user"}, false},
		{"no such interface", "IP:192.0.2.1:0", Options{}, false},
	}
	_, _ = Open(mustParse("IP:127.0.0.1:0"), Options{Owner: "x"})
	before := openFiles(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := Open(mustParse(test.text), test.opt)
			if (err == nil) != test.ok {
				t.Fatalf("got error %v, want none: %v", err, test.ok)
			}
			if s != nil {
				check(t, s.Close())
			}
			if after := openFiles(t); after != before {
				t.Errorf("open descriptors: got %d, want %d", after, before)
			}
		})
	}
}
