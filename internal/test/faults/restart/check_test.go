package restart

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"distcache/internal/test/kit"
)

// checked runs a daemon with -check, and holds that this leaves the directory as it is.
func checked(t *testing.T, name, directory string, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	before := listing(t, directory)
	p := kit.Start(t, kit.Tool(name), append([]string{"-check"}, args...)...)
	if got := p.Exit(patience); got != code {
		t.Errorf("%v: got exit code %d, want %d; stderr:\n%s", args, got, code, p.Stderr())
	}
	if after := listing(t, directory); !slices.Equal(before, after) {
		t.Errorf("%v: got files %v after it, want those before: %v", args, after, before)
	}
	return p.Stdout(), p.Stderr()
}

// listing is what stands in a directory, with times and modes.
func listing(t *testing.T, directory string) (lines []string) {
	t.Helper()
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Join([]string{e.Name(), info.Mode().String(), info.ModTime().String()}, " "))
	}
	return lines
}

// TestK11CheckOfAGoodLine: -check binds, writes, removes and forks nothing, whether a daemon
// runs there or not. It names a running one.
func TestK11CheckOfAGoodLine(t *testing.T) {
	t.Parallel()
	for _, i := range kit.Chosen(t, instances()) {
		t.Run(i.name, func(t *testing.T) {
			t.Parallel()
			at := kit.Unix(t)
			directory := filepath.Dir(at.Address)
			args := append([]string{"-listen", at.String(), "-pidfile", directory + "/pid"}, i.args...)
			for _, more := range []string{"-killable", "-daemon"} {
				stdout, stderr := checked(t, i.name, directory, 0, append(args, more)...)
				mustName(t, stdout, i.name+": check passed\n", "\n  -listen ")
				mustNotName(t, stderr, "ready", "a start fails")
			}
			p := i.start(t, at, "-pidfile", directory+"/pid")
			ready(p)
			_, stderr := checked(t, i.name, directory, 0, args...)
			mustName(t, stderr, at.String()+": another process listens there; a start fails until that process ends",
				"-pidfile "+directory+"/pid: process ", " is a running "+i.name+"; a start fails until it ends")
			i.mustServe(t, at)
			p.Kill()
			_, stderr = checked(t, i.name, directory, 0, args...) // beside a stale socket and pidfile
			mustNotName(t, stderr, "a start fails")
		})
	}
}

// changing are the system calls that leave something behind, or start something.
const changing = "bind,listen,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdirat,mknodat," +
	"chmod,fchmod,fchmodat,fchownat,truncate,ftruncate,flock,setsid,execve"

// TestK11CheckMakesNoCallThatChanges traces the system calls of -check. It executes no other
// program, opens files only for reading, and tries nothing that could change anything.
func TestK11CheckMakesNoCallThatChanges(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not there to tell system calls")
	}
	for _, i := range kit.Chosen(t, instances()) {
		t.Run(i.name, func(t *testing.T) {
			t.Parallel()
			at := kit.Unix(t)
			stale := ready(i.start(t, at, "-pidfile", at.Address+".pid"))
			stale.Kill() // so that there is something to be tempted by
			calls := filepath.Join(t.TempDir(), "calls")
			args := append([]string{"-qq", "-f", "-o", calls, "-e", "trace=openat," + changing, kit.Tool(i.name),
				"-check", "-listen", at.String(), "-pidfile", at.Address + ".pid", "-daemon", "-sockperms", "600"}, i.args...)
			p := kit.Start(t, strace, args...)
			if code := p.Exit(patience); code != 0 {
				t.Fatalf("got exit code %d, want 0; stderr:\n%s", code, p.Stderr())
			}
			text, err := os.ReadFile(calls)
			if err != nil {
				t.Fatal(err)
			}
			opened := 0
			for n, line := range slices.Collect(strings.Lines(string(text))) {
				switch {
				case strings.Contains(line, " openat(") && strings.Contains(line, "O_RDONLY") && !strings.Contains(line, "O_CREAT"):
					opened++
				case n == 0 && strings.Contains(line, " execve("), strings.Contains(line, " --- SIG"), strings.Contains(line, "resumed>"):
				default:
					t.Errorf("got %swant nothing but reading", line)
				}
			}
			if opened == 0 {
				t.Error("got no file opened, want strace to have seen some")
			}
		})
	}
}

// TestK11CheckRefusesWhatAStartWould names what is wrong and exits 2.
func TestK11CheckRefusesWhatAStartWould(t *testing.T) {
	t.Parallel()
	directory := kit.SocketDir(t)
	file := directory + "/file"
	if err := os.WriteFile(file, []byte("no number\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", directory+"/link"); err != nil {
		t.Fatal(err)
	}
	at := "UNIX:" + directory + "/s"
	for _, row := range []struct {
		args    []string
		message string
	}{
		{[]string{"-listen", "UNIX:/nowhere/s"}, "UNIX:/nowhere/s: directory /nowhere cannot be opened: open: no such file or directory"},
		{[]string{"-listen", "UNIX:" + file}, "UNIX:" + file + ": the path is a regular file: remove it, or listen on another path"},
		{[]string{"-listen", "UNIX:" + directory + "/link"},
			"UNIX:" + directory + "/link: the path is a symbolic link: remove it, or listen on another path"},
		{[]string{"-listen", at, "-sockowner", "no-such-user"},
			at + `: -sockowner "no-such-user": neither a known user nor a numeric ID: user: unknown user no-such-user`},
		{[]string{"-listen", at, "-sockgroup", "no-such-group"},
			at + `: -sockgroup "no-such-group": neither a known group nor a numeric ID: group: unknown group no-such-group`},
		{[]string{"-listen", at, "-sockperms", "888"}, `-sockperms: "888" is not an octal mode from 000 to 777, such as 660`},
		{[]string{"-listen", at, "-user", "no-such-user"}, "-user no-such-user: user: unknown user no-such-user"},
		{[]string{"-listen", at, "-pidfile", "/nowhere/pid"}, "-pidfile /nowhere/pid: directory /nowhere: no such file or directory"},
		{[]string{"-listen", at, "-pidfile", file},
			"-pidfile " + file + ": not a pidfile: it does not hold a process ID; remove it if it is not needed"},
		{[]string{"-listen", at, "-pidfile", directory + "/link"},
			"-pidfile " + directory + "/link: not a pidfile: it is a symbolic link"},
		{[]string{"-listen", "IP:192.0.2.1:9001"}, "IP:192.0.2.1:9001: not an address of this machine: cannot assign requested address"},
		{[]string{"-listen", "FD:999"}, "FD:999: not a listening stream socket: getsockopt: bad file descriptor"},
	} {
		t.Run(strings.Join(row.args, " "), func(t *testing.T) {
			t.Parallel()
			for _, i := range kit.Chosen(t, instances()) {
				stdout, stderr := checked(t, i.name, directory, 2, append(row.args, i.args...)...)
				if want := i.name + ": " + row.message + "\n"; stderr != want || stdout != "" {
					t.Errorf("got %q and %q on stdout, want %q and nothing", stderr, stdout, want)
				}
			}
		})
	}
}

// TestK11CheckKnowsWhatTheStoreNeeds has less address space than that many sessions take.
func TestK11CheckKnowsWhatTheStoreNeeds(t *testing.T) {
	t.Parallel()
	at := kit.Unix(t)
	run := func(code int, more ...string) {
		t.Helper()
		args := append([]string{"-c", `ulimit -v 8000000; exec "$0" "$@"`, kit.Tool("dc_server"),
			"-listen", at.String(), "-sessions", "1073741824"}, more...)
		p := kit.Start(t, "/bin/sh", args...)
		if got := p.Exit(patience); got != code {
			t.Errorf("%v: got exit code %d, want %d; stderr:\n%s", more, got, code, p.Stderr())
		}
		mustName(t, p.Stderr(), "dc_server: -sessions 1073741824: cannot reserve memory")
	}
	run(2, "-check")
	run(1)
}

// TestK11CheckKnowsPermissions runs -check as somebody who may not do what a start would.
func TestK11CheckKnowsPermissions(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody who may less")
	}
	directory := kit.SocketDir(t)
	if err := os.Chmod(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	open := kit.SocketDir(t)
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args    []string
		message string
	}{
		{[]string{"-listen", "UNIX:" + directory + "/s"},
			"UNIX:" + directory + "/s: cannot create the socket in directory " + directory + ": faccessat: permission denied"},
		{[]string{"-listen", "UNIX:" + open + "/s", "-pidfile", directory + "/pid"},
			"-pidfile " + directory + "/pid: cannot create a file in directory " + directory + ": permission denied"},
		{[]string{"-listen", "UNIX:" + open + "/s", "-sockowner", "0"},
			"UNIX:" + open + "/s: -sockowner, -sockgroup: cannot give the socket to user 0: permission denied"},
		{[]string{"-listen", "UNIX:" + open + "/s", "-sockgroup", "0"},
			"UNIX:" + open + "/s: -sockowner, -sockgroup: cannot give the socket to group 0: permission denied"},
		{[]string{"-listen", "UNIX:" + open + "/s", "-user", "1"}, "-user 1: changing the user needs root"},
	} {
		t.Run(strings.Join(row.args, " "), func(t *testing.T) {
			c := kit.Command{Path: kit.Tool("dc_server"), Args: append([]string{"-check"}, row.args...)}
			c.Sys = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			p := c.Start(t)
			if code := p.Exit(patience); code != 2 || p.Stderr() != "dc_server: "+row.message+"\n" {
				t.Errorf("got exit code %d and %q, want 2 and %q", code, p.Stderr(), row.message)
			}
		})
	}
}

// TestK11CheckOfAPassedSocket: FD:n must be there, and systemd may be absent.
func TestK11CheckOfAPassedSocket(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("unix", kit.Unix(t).Address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	socket, err := l.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	p := kit.Command{Path: kit.Tool("dc_server"), Args: []string{"-check", "-listen", "FD:3"}, Files: []*os.File{socket}}.Start(t)
	if code := p.Exit(patience); code != 0 {
		t.Errorf("FD:3: got exit code %d, want 0; stderr:\n%s", code, p.Stderr())
	}
	_, stderr := checked(t, "dc_server", kit.SocketDir(t), 0, "-listen", "systemd")
	mustName(t, stderr, "no socket was passed to this process")
	p = kit.Command{Path: kit.Tool("dc_server"), Args: []string{"-check", "-listen", "systemd"}, Env: []string{"LISTEN_PID=1", "LISTEN_FDS=1"}}.Start(t)
	if code := p.Exit(patience); code != 2 {
		t.Errorf("of another process: got exit code %d, want 2", code)
	}
	mustName(t, p.Stderr(), `LISTEN_PID is "1"`)
}

// TestK09CheckTellsWhereValuesComeFrom: from the command line, the file of -config or the default, and
// nowhere else; a flag given twice is refused (K01).
func TestK09CheckTellsWhereValuesComeFrom(t *testing.T) {
	t.Parallel()
	at := kit.Unix(t)
	file := kit.WriteFile(t, "c.conf", []byte("# of this site\nidle 9000\nretry 800\n"), 0o644)
	c := kit.Command{Path: kit.Tool("dc_client"),
		Args: []string{"-check", "-config", file, "-listen", at.String(), "-connect", nowhere, "-retry=700"},
		Env:  []string{"RETRY=9", "DISTCACHE_RETRY=9", "DC_CLIENT_RETRY=9", "LISTEN=UNIX:/other"}}
	p := c.Start(t)
	if code := p.Exit(patience); code != 0 {
		t.Fatalf("got exit code %d, want 0; stderr:\n%s", code, p.Stderr())
	}
	told := regexp.MustCompile(` +`).ReplaceAllString(p.Stdout(), " ") // the columns are as wide as the longest flag
	mustName(t, told, "-listen "+at.String()+" (command line)\n", "-server "+nowhere+" (command line)\n", "-retry 700 (command line)\n",
		"-idle 9000 ("+file+":2)\n", "-timeout 200 (default)\n", "-user (not given)\n", "-daemon false (default)\n")
}

// TestK08ArithmeticIsShown: what the limits come to, and where they do not fit.
func TestK08ArithmeticIsShown(t *testing.T) {
	t.Parallel()
	at := kit.Unix(t)
	directory := filepath.Dir(at.Address)
	stdout, _ := checked(t, "dc_client", directory, 0, "-listen", at.String(), "-server", nowhere, "-maxclients", "100")
	mustName(t, stdout, "\n  descriptors 164 = 100 clients + 64 for the daemon itself\n",
		"\n  memory bound 193 MiB = 2 x (2 x 32 MiB buffers + 100 clients x 512 B + 16 MiB tables) + 32 MiB program + 0 MiB sessions\n",
		"\n  kernel bound ", " MiB = 100 clients that do not read x ", " KiB of socket buffers\n")
	_, stderr := checked(t, "dc_server", directory, 0, "-listen", at.String(), "-memory", "1048576", "-sessions", "1073741824")
	mustName(t, stderr, "the memory bound is ", " MiB: the kernel may kill or slow down the daemon ")

	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody who may not raise the limit of descriptors")
	}
	for _, row := range []struct {
		limit string
		code  int
		want  string
	}{
		{"80", 0, "dc_client: warning: client limit lowered from 100 to 16: the limit of open descriptors is 80, " +
			"but 100 clients need 164 (100 and 64 for the daemon itself); raise the limit (ulimit -n, LimitNOFILE= of systemd)\n"},
		{"40", 2, "dc_client: the limit of open descriptors is 40, but the daemon needs 64 for itself: raise the limit (ulimit -n, LimitNOFILE= of systemd)\n"},
	} {
		c := kit.Command{Path: "/bin/sh", Args: []string{"-c", `ulimit -n ` + row.limit + `; exec "$0" "$@"`, kit.Tool("dc_client"),
			"-check", "-listen", "IP:0", "-server", nowhere, "-maxclients", "100"}}
		c.Sys = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		p := c.Start(t)
		code, told := p.Exit(patience), p.Stderr()
		if inherited := regexp.MustCompile(` and (\d+) open already`).FindStringSubmatch(told); inherited != nil { // from tests beside
			n, _ := strconv.Atoi(inherited[1])
			told = strings.NewReplacer(inherited[0], "", fmt.Sprint(" to ", 16-n, ":"), " to 16:", fmt.Sprint(" need ", 164+n, " "), " need 164 ").Replace(told)
		}
		if code != row.code || !strings.Contains(told, row.want) {
			t.Errorf("ulimit -n %s: got exit code %d and %q, want %d and %q", row.limit, code, p.Stderr(), row.code, row.want)
		}
	}
}

// TestK10EnvironmentDoesNoHarm: gnet and the Go runtime read environment variables. None of
// these ends a daemon or makes it write to a wrong place.
func TestK10EnvironmentDoesNoHarm(t *testing.T) {
	t.Parallel()
	for _, settings := range [][]string{
		{"GNET_LOGGING_LEVEL=x", "GOMAXPROCS=0", "GOGC=x"},
		{"GNET_LOGGING_FILE=/nowhere/log", "GOMAXPROCS=x", "GODEBUG=nosuch=1,madvdontneed=x"},
		{"GOMEMLIMIT=1B", "GOTRACEBACK=crash"},
	} {
		t.Run(strings.Join(settings, " "), func(t *testing.T) {
			t.Parallel()
			for _, i := range kit.Chosen(t, instances()) {
				at := kit.Unix(t)
				c := kit.Command{Path: kit.Tool(i.name), Args: append([]string{"-listen", at.String()}, i.args...), Env: settings}
				p := ready(c.Start(t))
				i.mustServe(t, at)
				mustEnd(t, p)
				if strings.HasPrefix(settings[0], "GNET") {
					name, _, _ := strings.Cut(settings[0], "=")
					mustName(t, p.Stderr(), name, "no effect")
				}
			}
		})
	}
}
