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

// TestHelp: help wins over everything else on the line, and nothing else is done.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, spelling := range []string{"-h", "-help", "-?", "--h", "--help", "--?"} {
		for _, row := range []struct {
			name string
			line func(folder string) []string
		}{
			{"alone", func(string) []string { return []string{spelling} }},
			{"before an unknown flag", func(string) []string { return []string{spelling, "-nosuch"} }},
			{"after a bad value", func(string) []string { return []string{"-listen", "garbage", spelling} }},
			{"as the argument of a flag", func(string) []string { return []string{"-pidfile", spelling} }},
			{"after a stray word", func(string) []string { return []string{"stray", spelling} }},
			{"beside -version", func(string) []string { return []string{"-version", spelling} }},
			{"beside what would run", func(folder string) []string { return daemonArgs(folder, spelling) }},
		} {
			t.Run(spelling+" "+row.name, func(t *testing.T) {
				forEach(t, func(t *testing.T, p program) {
					folder := kit.SocketDir(t)
					text := mustPrint(t, p.command(row.line(folder)...))
					if !strings.HasPrefix(text, "Usage: "+p.name+" ") || !strings.Contains(text, "-sockperms") {
						t.Errorf("got %q, want the usage text", text)
					}
					mustBeGone(t, socketIn(folder).Address)
				})
			})
		}
	}
}

// mustPrint runs what only prints, on stdout, and ends with 0.
func mustPrint(t *testing.T, c kit.Command) string {
	t.Helper()
	process := c.Start(t)
	if code := process.Exit(patience); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	if process.Stderr() != "" {
		t.Errorf("got %q on stderr, want nothing", process.Stderr())
	}
	return process.Stdout()
}

// TestHelpNamesEveryFlag holds the flags that both daemons have.
func TestHelpNamesEveryFlag(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		text := mustPrint(t, p.command("-h"))
		for _, flag := range []string{"-listen address", "-sockowner user", "-sockgroup group", "-sockperms perms",
			"-daemon", "-user user", "-pidfile path", "-killable", "-version", "-minexpiry msecs", "-h, -help, -?"} {
			if !strings.Contains(text, "\n  "+flag) {
				t.Errorf("got no %q in the usage text, want it:\n%s", flag, text)
			}
		}
		for line := range strings.Lines(text) {
			if len(line) > 81 {
				t.Errorf("got a line of %d columns, want 80 at most: %s", len(line)-1, line)
			}
		}
	})
}

func TestVersion(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		for _, line := range [][]string{{"-version"}, {"--version"}, {"-version=true"}, daemonArgs(kit.SocketDir(t), "-version")} {
			want := regexp.MustCompile("^" + p.name + ` \S+, distcache protocol 0x11, go\S+ linux/\w+\n$`)
			if text := mustPrint(t, p.command(line...)); !want.MatchString(text) {
				t.Errorf("%v: got %q, want a line as %v", line, text, want)
			}
		}
	})
}

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
				folder := kit.SocketDir(t)
				process := p.start(t, row.line(socketIn(folder).String(), folder+"/pid")...)
				p.mustServe(t, socketIn(folder))
				if got := pidIn(t, folder+"/pid"); got != process.PID() {
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

// TestUsageErrors: each is one line that names the flag, the value and the reason.
func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		args  []string
		words []string
	}{
		{[]string{"-nosuch"}, []string{"-nosuch", "no such flag", "-help"}},
		{[]string{"-nosuch=5"}, []string{"-nosuch", "no such flag"}},
		{[]string{"stray"}, []string{`"stray"`}},
		{[]string{"-killable", "yes"}, []string{`"yes"`}},
		{[]string{"-killable=yes"}, []string{"-killable", `"yes"`}},
		{[]string{"-daemon=1"}, []string{"-daemon", `"1"`}},
		{[]string{"-listen"}, []string{"-listen", "needs an argument"}},
		{[]string{"-listen="}, []string{"-listen", "empty"}},
		{[]string{"-pidfile"}, []string{"-pidfile", "needs an argument"}},
		{[]string{"-pidfile="}, []string{"-pidfile", `""`}},
		{[]string{"-pidfile", "-daemon"}, []string{"-pidfile", `"-daemon"`}},
		{[]string{"-user="}, []string{"-user", `""`}},
		{[]string{"-sockowner="}, []string{"-sockowner", `""`}},
		{[]string{"-sockgroup="}, []string{"-sockgroup", `""`}},
		{[]string{"-killable", "-killable"}, []string{"-killable", "twice"}},
		{[]string{"-listen", "UNIX:/a", "-listen", "UNIX:/b"}, []string{"-listen", "twice", "UNIX:/b"}},
		{[]string{"-listen", "nonsense"}, []string{"-listen", `"nonsense"`, "UNIX:"}},
		{[]string{"-listen", "UNIX:"}, []string{"-listen", `"UNIX:"`, "path"}},
		{[]string{"-listen", "unix:/a"}, []string{"-listen", `"unix:/a"`, "UNIX:"}},
		{[]string{"-listen", "IP:"}, []string{"-listen", `"IP:"`, "port"}},
		{[]string{"-listen", "IP:65536"}, []string{"-listen", `"IP:65536"`, "65535"}},
		{[]string{"-listen", "IP:::1:9001"}, []string{"-listen", `"IP:::1:9001"`, "bracket"}},
		{[]string{"-listen", "TLS:host:9001"}, []string{"-listen", `"TLS:host:9001"`}},
		{[]string{"-version=no"}, []string{"-version", `"no"`}},
		{[]string{"-minexpiry", "604800001"}, []string{"-minexpiry", `"604800001"`, "0 to 604800000"}},
		{[]string{"-minexpiry", "-1"}, []string{"-minexpiry", `"-1"`, "0 to 604800000"}},
		{[]string{"-version", "-nosuch"}, []string{"-nosuch"}},
	} {
		t.Run(strings.Join(row.args, " "), func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				text := p.fails(t, 2, row.args...)
				mustName(t, text, row.words...)
				mustBeOneLine(t, p, text)
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
