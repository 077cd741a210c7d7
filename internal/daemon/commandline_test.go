package daemon

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"distcache/internal/test/kit"
)

// TestSpelling: the flags of package flag and of GNU are the same.
func TestSpelling(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		line func(at, pidfile string) []string
	}{
		{"-flag value", func(at, pid string) []string { return []string{"-listen", at, "-pidfile", pid, "-killable"} }},
		{"-flag=value", func(at, pid string) []string { return []string{"-listen=" + at, "-pidfile=" + pid, "-killable=true"} }},
		{"--flag value", func(at, pid string) []string { return []string{"--listen", at, "--pidfile", pid, "--killable"} }},
		{"--flag=value", func(at, pid string) []string {
			return []string{"--listen=" + at, "--pidfile=" + pid, "--killable=true"}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				directory := kit.SocketDir(t)
				process := p.start(t, row.line(socketIn(directory).String(), directory+"/pid")...)
				p.mustServe(t, socketIn(directory))
				if got := pidIn(t, directory+"/pid"); got != process.PID() {
					t.Errorf("got process ID %d in the pidfile, want %d", got, process.PID())
				}
				process.Signal(syscall.SIGUSR1)
				if code := process.Exit(patience); code != 0 {
					t.Errorf("got exit code %d after SIGUSR1, want 0: it is -killable", code)
				}
			})
		})
	}
}

func mustBeOneLine(t *testing.T, p program, text string) {
	t.Helper()
	if !strings.HasPrefix(text, p.name+": ") || strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		t.Errorf("got %q, want one line that begins with %s:", text, p.name)
	}
}

// TestUsageErrorOfManyLines: what is quoted does not make more lines, or colours.
func TestUsageErrorOfManyLines(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		for _, value := range []string{"a\nb", "a\x1b[31mb", "a\rb"} {
			text := p.fails(t, 2, "-listen", value)
			mustBeOneLine(t, p, text)
			if strings.ContainsAny(text, "\x1b\r") {
				t.Errorf("got %q, want no control characters", text)
			}
		}
	})
}

// TestHelpOnFullDisk: what cannot be printed is a failure.
func TestHelpOnFullDisk(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"-help", "-version"} {
		t.Run(flag, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				mustName(t, failure(t, inShell(p.command(flag), "exec >/dev/full"), 1), "standard output", "no space left")
			})
		})
	}
}

// TestListenOnTCP: the ready line tells the port that the kernel chose.
func TestListenOnTCP(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"IP:127.0.0.1:0", "IPv4:127.0.0.1:0", "IP:localhost:0", "IP:[::1]:0", "IP:0", "IP::0", "IPv6:0"} {
		t.Run(address, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				if strings.ContainsAny(address, "6[") && !hasIPv6() {
					t.Skip("this machine has no IPv6")
				}
				process := p.start(t, "-listen", address)
				p.mustServe(t, listenedOn(t, process))
				mustEnd(t, process)
			})
		})
	}
}

func hasIPv6() bool {
	_, err := os.Stat("/proc/net/if_inet6")
	return err == nil
}

// listenedOn is where a process on this host can be reached that is ready.
func listenedOn(t *testing.T, process *kit.Process) kit.Endpoint {
	t.Helper()
	found := regexp.MustCompile(` ready listen=(UNIX|IP|IPv4|IPv6):(\S*) `).FindStringSubmatch(process.Stderr())
	if found == nil {
		t.Fatalf("got stderr %q, want a line that tells where it listens", process.Stderr())
	}
	switch scheme, where := found[1], found[2]; {
	case scheme == "UNIX":
		return kit.Endpoint{Network: "unix", Address: where}
	case strings.Contains(where, ":"):
		return kit.Endpoint{Network: "tcp", Address: where}
	case scheme == "IPv6":
		return kit.Endpoint{Network: "tcp", Address: "[::1]:" + where}
	default:
		return kit.Endpoint{Network: "tcp", Address: "127.0.0.1:" + where}
	}
}

// TestListenSeveral: each -listen is served, all are in the ready line, and their files go at the end. When one fails, none
// is left.
func TestListenSeveral(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		one, two := kit.Unix(t), kit.Unix(t)
		args := []string{"-listen", one.String(), "-listen", "IP:127.0.0.1:0", "-listen", two.String()}
		if p.name == "dc_client" {
			args = append(args, "-loops", "2")
		}
		process := p.start(t, args...)
		ready := regexp.MustCompile(` ready listen=(\S+) listen=IP:(127\.0\.0\.1:[1-9]\d*) listen=(\S+) `)
		found := ready.FindStringSubmatch(process.Stderr())
		if found == nil || found[1] != one.String() || found[3] != two.String() {
			t.Fatalf("got stderr %q, want a ready line with %s, the port and %s", process.Stderr(), one, two)
		}
		for _, at := range []kit.Endpoint{one, two, {Network: "tcp", Address: found[2]}} {
			p.mustServe(t, at)
		}
		mustEnd(t, process)
		mustBeGone(t, one.Address)
		mustBeGone(t, two.Address)
		mustName(t, p.fails(t, 1, "-listen", one.String(), "-listen", "UNIX:/nowhere/s"), "UNIX:/nowhere/s")
		mustBeGone(t, one.Address)
	})
}

// TestAddressInUse: two daemons on one port.
func TestAddressInUse(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		first := p.start(t, "-listen", "IP:127.0.0.1:0")
		at := listenedOn(t, first)
		mustName(t, p.fails(t, 1, "-listen", at.String()), at.String(), "another process listens there")
		p.mustServe(t, at)
	})
}

// TestDefaultAddress starts both with no -listen, in a world of their own.
func TestDefaultAddress(t *testing.T) {
	t.Parallel()
	needRoot(t)
	for n, want := range []string{"UNIX:/tmp/scache", "IP:127.0.0.1:9001"} {
		p := programs()[n]
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			// The binary is below /tmp, which is about to be another one.
			c := inShell(p.command(), fmt.Sprintf("exec 3<%s\nmount -t tmpfs none /tmp\nset -- \"$@\"", kit.Tool(p.name)))
			c.Args[1] = strings.Replace(c.Args[1], `exec "$0"`, "exec /proc/self/fd/3", 1)
			c.Sys = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
			process := c.Start(t)
			process.WaitStderr(patience, " ready listen="+want+" ")
			mustEnd(t, process)
		})
	}
}
