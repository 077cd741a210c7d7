package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
)

func descriptor(fd int) address.Address {
	return address.Address{Kind: address.Descriptor, FD: fd}
}

// inherited makes a socket as another process would pass it: blocking, and left open by exec.
func inherited(t *testing.T, family, kind int, sa unix.Sockaddr, backlog int) int {
	t.Helper()
	fd, err := unix.Socket(family, kind, 0)
	check(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	if sa != nil {
		check(t, unix.Bind(fd, sa))
	}
	if backlog > 0 {
		check(t, unix.Listen(fd, backlog))
	}
	return fd
}

func TestAdopt(t *testing.T) {
	path := filepath.Join(tempDirectory(t, 0o755), "s")
	tests := []struct {
		name   string
		family int
		sa     unix.Sockaddr
		prefix string // of the address, up to the port
	}{
		{"unix", unix.AF_UNIX, &unix.SockaddrUnix{Name: path}, "UNIX:" + path},
		{"IPv4", unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, "IP:127.0.0.1:"},
		{"IPv4, every interface", unix.AF_INET, &unix.SockaddrInet4{}, "IP:"},
		{"IPv6", unix.AF_INET6, &unix.SockaddrInet6{Addr: [16]byte{15: 1}}, "IP:[::1]:"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.family == unix.AF_INET6 && !hasIPv6() {
				t.Skip("this machine has no IPv6")
			}
			fd := inherited(t, test.family, unix.SOCK_STREAM, test.sa, 5)
			s, err := Open(descriptor(fd), Options{})
			check(t, err)
			if s.FD != fd || !strings.HasPrefix(s.Addr(), test.prefix) {
				t.Errorf("got descriptor %d, address %s, want %d, %s…", s.FD, s.Addr(), fd, test.prefix)
			}
			checkFlags(t, fd)
			check(t, s.Check())
			check(t, s.CloseListener())
			check(t, s.Unlink())
		})
	}
	lstat(t, path) // the process that made the socket removes it
}

func TestAdoptRefuses(t *testing.T) {
	path := filepath.Join(tempDirectory(t, 0o755), "s")
	file, err := os.Create(path + ".file")
	check(t, err)
	defer func() { _ = file.Close() }()
	tests := []struct {
		name string
		fd   int
		want error // beside ErrNotListening
	}{
		{"not open", 1 << 20, unix.EBADF},
		{"a file", int(file.Fd()), unix.ENOTSOCK},
		{"not bound", inherited(t, unix.AF_UNIX, unix.SOCK_STREAM, nil, 0), ErrNotListening},
		{"not listening", inherited(t, unix.AF_UNIX, unix.SOCK_STREAM, &unix.SockaddrUnix{Name: path + ".bound"}, 0), ErrNotListening},
		{"seqpacket", inherited(t, unix.AF_UNIX, unix.SOCK_SEQPACKET, &unix.SockaddrUnix{Name: path + ".seq"}, 5), ErrNotListening},
		{"datagram", inherited(t, unix.AF_INET, unix.SOCK_DGRAM, &unix.SockaddrInet4{}, 0), ErrNotListening},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(descriptor(test.fd), Options{})
			if !errors.Is(err, ErrNotListening) || !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v with %v", err, ErrNotListening, test.want)
			}
			if want := "FD:" + strconv.Itoa(test.fd) + ": "; !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got message %q, want %q at its start", err, want)
			}
		})
	}
}

func TestSystemdRefuses(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	tests := []struct{ name, pid, count, says string }{
		{"nothing set", "", "", "LISTEN_PID is not set"},
		{"another process", "1", "1", `LISTEN_PID is "1"`},
		{"no process", "x", "1", `LISTEN_PID is "x"`},
		{"no socket", own, "0", `LISTEN_FDS is "0"`},
		{"too many sockets", own, "65", `LISTEN_FDS is "65"`},
		{"no count", own, "", `LISTEN_FDS is ""`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("LISTEN_PID", test.pid)
			t.Setenv("LISTEN_FDS", test.count)
			t.Setenv("LISTEN_FDNAMES", "dc.socket")
			_, err := Open(address.Address{Kind: address.Systemd}, Options{})
			if !errors.Is(err, ErrNothingPassed) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %v, with %s", err, ErrNothingPassed, test.says)
			}
			for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
				if value, set := os.LookupEnv(name); set {
					t.Errorf("%s: got %q, want it unset", name, value)
				}
			}
		})
	}
}

// activated is a process that was started by a socket unit: only it can know its own number. It
// listens on the address in its environment.
func activated() {
	_ = os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	s, err := Open(mustParse(os.Getenv("LISTEN_ON")), Options{})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println(s.FD, s.Addr(), os.Getenv("LISTEN_PID")+os.Getenv("LISTEN_FDS"))
	<-inputEnds()
	fmt.Println("closed:", s.Close())
}

func TestSystemd(t *testing.T) {
	path := filepath.Join(tempDirectory(t, 0o755), "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	check(t, err)
	listener.SetUnlinkOnClose(false)
	file, err := listener.File()
	check(t, err)
	defer func() { _ = file.Close() }()
	check(t, listener.Close())

	h := startHelper(t, "activated", nil, []*os.File{file}, "LISTEN_FDS=1", "LISTEN_ON=systemd")
	if got, want := strings.TrimSpace(h.hear()), "3 UNIX:"+path; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	checkAnswers(t, path)
	if line := h.finish(); line != "closed: <nil>" {
		t.Errorf("at the end: got %q, want no error", line)
	}
	lstat(t, path)
}

func TestSystemdPassedNoSocket(t *testing.T) {
	file, err := os.Open("/dev/null")
	check(t, err)
	defer func() { _ = file.Close() }()
	h := startHelper(t, "activated", nil, []*os.File{file}, "LISTEN_FDS=1", "LISTEN_ON=systemd")
	line := h.hear()
	if !strings.HasPrefix(line, "error: systemd: descriptor 3: not a listening stream socket") {
		t.Errorf("got %q, want that descriptor 3 is no listening stream socket", line)
	}
}

// TestSystemdPassedSeveral: systemd takes all, systemd:name those of the name, and a socket that
// nobody takes is told of.
func TestSystemdPassedSeveral(t *testing.T) {
	three := passed{names: []string{"local", "remote", "local"}}
	for _, row := range []struct {
		text string
		want []int
	}{
		{"systemd", []int{3, 4, 5}},
		{"systemd:local", []int{3, 5}},
		{"systemd:remote", []int{4}},
		{"systemd:other", nil},
	} {
		if got := three.descriptors(mustParse(row.text)); !slices.Equal(got, row.want) {
			t.Errorf("%s: got descriptors %v, want %v", row.text, got, row.want)
		}
	}
	if _, err := three.inspect(mustParse("systemd:other"), Options{}); !errors.Is(err, ErrNothingPassed) ||
		!strings.Contains(err.Error(), `"local", "remote", "local"`) {
		t.Errorf("got %v, want %v, with the names that there are", err, ErrNothingPassed)
	}
	warnings := strings.Join(three.untaken([]*Plan{{fd: 3}, {fd: 5}}), "\n")
	if !strings.Contains(warnings, "descriptor 4 (remote)") || strings.Contains(warnings, "local") {
		t.Errorf("got warnings %q, want one, about the socket that is left", warnings)
	}
}

func TestSystemdReadsTheNames(t *testing.T) {
	t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	for _, row := range []struct {
		count, names string
		want         []string
	}{
		{"2", "a:b", []string{"a", "b"}},
		{"2", "a", []string{"a", ""}},
		{"1", "a:b", []string{"a"}},
		{"1", "", []string{""}},
	} {
		t.Setenv("LISTEN_FDS", row.count)
		t.Setenv("LISTEN_FDNAMES", row.names)
		if got, err := readPassed(); err != nil || !slices.Equal(got.names, row.want) {
			t.Errorf("LISTEN_FDS=%s LISTEN_FDNAMES=%s: got %q, %v, want %q", row.count, row.names, got.names, err, row.want)
		}
	}
}

// TestSystemdPassedTooManyForOne: what listens on one address alone asks for a name.
func TestSystemdPassedTooManyForOne(t *testing.T) {
	dir := tempDirectory(t, 0o755)
	var files []*os.File
	for _, name := range []string{"a", "b"} {
		listener, err := net.Listen("unix", filepath.Join(dir, name))
		check(t, err)
		defer func() { _ = listener.Close() }()
		file, err := listener.(*net.UnixListener).File()
		check(t, err)
		defer func() { _ = file.Close() }()
		files = append(files, file)
	}
	for on, want := range map[string]string{
		"systemd":   "error: systemd: systemd passed 2 sockets: choose one by its name",
		"systemd:b": "4 UNIX:" + filepath.Join(dir, "b"),
	} {
		h := startHelper(t, "activated", nil, files, "LISTEN_FDS=2", "LISTEN_FDNAMES=a:b", "LISTEN_ON="+on)
		if got := h.hear(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", on, got, want)
		}
	}
}
