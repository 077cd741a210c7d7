package listen

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCheckSaysWhatOpenWould: the plan is checked first, which changes nothing, and then carried out.
func TestCheckSaysWhatOpenWould(t *testing.T) {
	dir := tempDirectory(t, 0o755)
	check(t, os.WriteFile(dir+"/file", nil, 0o600))
	check(t, os.Symlink("none", dir+"/link"))
	rawSocket(t, dir+"/live", unix.SOCK_STREAM, 16)
	staleSocket(t, dir+"/dead")
	tests := []struct {
		name, text string
		opt        Options
		want       error
		warning    string
	}{
		{"nothing there", "UNIX:" + dir + "/s", Options{Perms: "600"}, nil, ""},
		{"dead socket", "UNIX:" + dir + "/dead", Options{}, nil, ""},
		{"odd permissions", "UNIX:" + dir + "/odd", Options{Perms: "440"}, nil, "use 660"},
		{"live socket", "UNIX:" + dir + "/live", Options{}, ErrInUse, ErrInUse.Error()},
		{"file", "UNIX:" + dir + "/file", Options{}, ErrOccupied, ""},
		{"link", "UNIX:" + dir + "/link", Options{}, ErrOccupied, ""},
		{"port", "IP:127.0.0.1:0", Options{}, nil, ""},
		{"address of another machine", "IP:192.0.2.1:0", Options{}, unix.EADDRNOTAVAIL, "neither encrypted"},
		{"no socket of systemd", "systemd", Options{}, ErrNothingPassed, "not checked"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := snapshot(t, dir)
			p, err := Inspect(mustParse(test.text), test.opt)
			check(t, err)
			defer p.Close()
			warnings, err := p.Check()
			if all := strings.Join(warnings, "\n"); (all == "") != (test.warning == "") || !strings.Contains(all, test.warning) {
				t.Errorf("got warnings %q, want %q", all, test.warning)
			}
			if test.warning == "" && !errors.Is(err, test.want) {
				t.Errorf("Check: got %v, want %v", err, test.want)
			}
			if after := snapshot(t, dir); after != before {
				t.Errorf("the directory: got\n%s\nwant it as before:\n%s", after, before)
			}
			s, err := p.Open()
			if !errors.Is(err, test.want) {
				t.Fatalf("Open: got %v, want %v", err, test.want)
			}
			if s != nil {
				check(t, s.Close())
			}
		})
	}
}

// TestSwapBetweenInspectAndOpen: Open sees that another file has come to the path since Inspect, and leaves it alone.
func TestSwapBetweenInspectAndOpen(t *testing.T) {
	for _, test := range []struct {
		name string
		put  func(t *testing.T, path string)
		want error
	}{
		{"a file", func(t *testing.T, path string) { check(t, os.WriteFile(path, []byte("precious"), 0o600)) }, ErrOccupied},
		{"a live socket", func(t *testing.T, path string) { rawSocket(t, path, unix.SOCK_STREAM, 16) }, ErrInUse},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := tempDirectory(t, 0o755) + "/s"
			staleSocket(t, path)
			p, err := Inspect(unixAddress(path), Options{})
			check(t, err)
			defer p.Close()
			if _, err := p.Check(); err != nil {
				t.Errorf("Check: got %v, want no error beside a dead socket", err)
			}
			check(t, os.Remove(path))
			test.put(t, path)
			before := lstat(t, path)
			if _, err := p.Open(); !errors.Is(err, test.want) {
				t.Errorf("Open: got %v, want %v", err, test.want)
			}
			if after := lstat(t, path); after.Ino != before.Ino || after.Mode != before.Mode {
				t.Errorf("got another file than before: %+v, want %+v", after, before)
			}
		})
	}
}

// TestF16SwapOfTheDirectory: a component of the path leads elsewhere since Inspect, to a dead socket. The live one in the
// directory that was inspected is asked itself, and stays.
func TestF16SwapOfTheDirectory(t *testing.T) {
	dir := tempDirectory(t, 0o755)
	for _, name := range []string{"live", "dead"} {
		check(t, os.Mkdir(dir+"/"+name, 0o755))
	}
	rawSocket(t, dir+"/live/s", unix.SOCK_STREAM, 16)
	staleSocket(t, dir+"/dead/s")
	check(t, os.Symlink("live", dir+"/way"))
	p, err := Inspect(unixAddress(dir+"/way/s"), Options{})
	check(t, err)
	defer p.Close()
	check(t, os.Remove(dir+"/way"))
	check(t, os.Symlink("dead", dir+"/way"))
	if _, err := p.Open(); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want %v", err, ErrInUse)
	}
	checkAnswers(t, dir+"/live/s")
	lstat(t, dir+"/dead/s")
}

// checker makes a plan, checks it, carries it out, and tells how both went.
func checker() {
	p, err := Inspect(mustParse(os.Getenv(targetVariable)), optionsFromLine(os.Getenv(pathVariable)))
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	defer p.Close()
	_, checked := p.Check()
	s, opened := p.Open()
	if s != nil {
		_ = s.Close()
	}
	fmt.Println(checked == nil, opened == nil)
}

// TestCheckKnowsCapabilities: with the capabilities that it takes, an ordinary user may do as much as root.
func TestCheckKnowsCapabilities(t *testing.T) {
	needRoot(t)
	dir := tempDirectory(t, 0o777)
	for _, test := range []struct {
		name, target, options string
		capabilities          []uintptr
		enough                bool
	}{
		{"owner, none", "UNIX:" + dir + "/s", "root", nil, false},
		{"owner", "UNIX:" + dir + "/s", "root", []uintptr{unix.CAP_CHOWN}, false},
		{"owner and mode", "UNIX:" + dir + "/s", "root", []uintptr{unix.CAP_CHOWN, unix.CAP_FOWNER}, true},
		{"owner alone may use it", "UNIX:" + dir + "/s", "root,,600", []uintptr{unix.CAP_CHOWN}, true},
		{"group, none", "UNIX:" + dir + "/s", ",root", nil, false},
		{"group", "UNIX:" + dir + "/s", ",root", []uintptr{unix.CAP_CHOWN}, true},
		{"port, none", "IP:127.0.0.1:1", "", nil, false},
		{"port", "IP:127.0.0.1:1", "", []uintptr{unix.CAP_NET_BIND_SERVICE}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			sys := &syscall.SysProcAttr{Credential: asNobody(nobody), AmbientCaps: test.capabilities}
			h := startHelperWith(t, "checker", sys, nil, targetVariable+"="+test.target, pathVariable+"="+test.options)
			if line := h.hear(); line != fmt.Sprint(test.enough, test.enough) {
				t.Errorf("got %q from Check and Open, want both %v", line, test.enough)
			}
		})
	}
}

// TestPlainTCPWarns: where other hosts can connect, the start says so.
func TestPlainTCPWarns(t *testing.T) {
	passed := func(ip [4]byte) string {
		fd, err := newSocket(unix.AF_INET)
		check(t, err)
		t.Cleanup(func() { _ = unix.Close(fd) })
		check(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: ip}))
		check(t, unix.Listen(fd, 1))
		return fmt.Sprintf("FD:%d", fd)
	}
	path := tempDirectory(t, 0o755) + "/s"
	for _, test := range []struct {
		name, text string
		want       bool
	}{
		{"every interface", "IP:0", true},
		{"every interface, IPv6", "IPv6:0", true},
		{"another address", "IP:192.0.2.1:0", true},
		{"loopback", "IP:127.0.0.1:0", false},
		{"all of that network is", "IP:127.1.2.3:0", false},
		{"IPv6 loopback", "IPv6:[::1]:0", false},
		{"a name of loopback", "IP:localhost:0", false},
		{"a unix socket", "UNIX:" + path, false},
		{"passed in, every interface", passed([4]byte{}), true},
		{"passed in, loopback", passed([4]byte{127, 0, 0, 1}), false},
		{"passed in, a unix socket", fmt.Sprintf("FD:%d", rawSocket(t, path+"2", unix.SOCK_STREAM, 16)), false},
		{"not passed in yet", "systemd", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := Inspect(mustParse(test.text), Options{})
			check(t, err)
			defer p.Close()
			if got := strings.Contains(strings.Join(p.warnings, "\n"), "neither encrypted nor authenticated"); got != test.want {
				t.Errorf("got warnings %q, want one about plain TCP: %v", p.warnings, test.want)
			}
		})
	}
}
