package restart

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestV06RestartedServerIsEmpty restarts dc_server: what was added is NOTOK then, and not
// an error, and can be added anew.
func TestV06RestartedServerIsEmpty(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		end  func(p *kit.Process)
	}{
		{"in order", func(p *kit.Process) { p.Stop() }},
		{"killed", (*kit.Process).Kill},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			at := kit.Unix(t)
			server, where := kit.NewRig(t).Server()
			kit.NewRig(t).Client(where, "-listen", at.String(), "-retry", "50")
			mustKeep(t, at, "kept")
			row.end(server)
			kit.NewRig(t).Server("-listen", where.String())
			var last codec.Status
			kit.Wait(t, patience, "NOTOK", func() bool {
				var err error
				if last, err = ask(at, kit.Get(1, "kept")); err != nil {
					t.Fatalf("got %v, want an answer", err)
				}
				return last != codec.StatusDisconnected
			})
			if last != codec.StatusNotOK {
				t.Errorf("got %v, want NOTOK", last)
			}
			mustKeep(t, at, "kept")
		})
	}
}

// recovery is how long clients may be without service when a supervisor starts a killed
// dc_client again at once.
const recovery = time.Second

// TestV08KilledProxyComesBack kills dc_client (kill -9) and starts it again at once on the
// same socket and pidfile, as a supervisor does.
func TestV08KilledProxyComesBack(t *testing.T) {
	t.Parallel()
	kills := atFull(8, 3)
	_, server := kit.NewRig(t).Server()
	at := kit.Unix(t)
	pidfile := filepath.Join(filepath.Dir(at.Address), "pid")
	process, _ := kit.NewRig(t).Client(server, "-listen", at.String(), "-pidfile", pidfile)
	mustKeep(t, at, "kept")
	worst := time.Duration(0)
	for range kills {
		process.Kill()
		gone := time.Now()
		mustBeStale(t, at)
		process = kit.Start(t, kit.Tool("dc_client"), "-listen", at.String(), "-server", server.String(), "-pidfile", pidfile)
		process.Wait(patience, "answer", func() bool {
			s, err := ask(at, kit.Have(1, "kept"))
			return err == nil && s == codec.StatusOK
		})
		worst = max(worst, time.Since(gone))
	}
	t.Logf("clients were served again within %v", worst)
	if worst > recovery {
		kit.TooSlow(t, "got service again after %v, want it within %v", worst, recovery)
	}
}

// mustBeStale checks that there is a socket file on which no process answers.
func mustBeStale(t *testing.T, at kit.Endpoint) {
	t.Helper()
	if inode(t, at.Address) == 0 {
		t.Fatal("got no socket file after kill -9, want the stale one")
	}
	if sock, err := net.Dial(at.Network, at.Address); err == nil {
		_ = sock.Close()
		t.Fatal("got a connection to a daemon that was killed, want none")
	}
}

// oldTool behaves at its socket and pidfile as the tools of distcache 1.5 do: it deletes
// what stands at the path, writes its process ID without a lock, and removes neither when
// it is killed. Its process is one that bears the daemon's name.
type oldTool struct {
	listener *net.UnixListener
	process  *kit.Process
}

func startOldTool(t *testing.T, at kit.Endpoint, pidfile string) *oldTool {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("there is no sleep(1) to stand for the old tool's process")
	}
	program, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	named := filepath.Join(kit.SocketDir(t), "dc_client")
	if err := os.WriteFile(named, program, 0o755); err != nil {
		t.Fatal(err)
	}
	o := &oldTool{process: kit.Start(t, named, "1000")}
	_ = os.Remove(at.Address)
	if o.listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: at.Address, Net: "unix"}); err != nil {
		t.Fatal(err)
	}
	o.listener.SetUnlinkOnClose(false)
	t.Cleanup(func() { _ = o.listener.Close() })
	if err := os.WriteFile(pidfile, fmt.Appendln(nil, o.process.PID()), 0o644); err != nil {
		t.Fatal(err)
	}
	return o
}

// kill ends it, and leaves its files.
func (o *oldTool) kill() {
	_ = o.listener.Close()
	o.process.Kill()
}

// TestV05DowngradeAndBack replaces dc_client by the old tool, and that by dc_client, on the
// same socket and pidfile, each after an orderly end and after kill -9.
func TestV05DowngradeAndBack(t *testing.T) {
	t.Parallel()
	i := instances()[0]
	at := kit.Unix(t)
	pidfile := filepath.Join(filepath.Dir(at.Address), "pid")
	ours := ready(i.start(t, at, "-pidfile", pidfile))
	mustEnd(t, ours)
	if inode(t, at.Address) != 0 || inode(t, pidfile) != 0 {
		t.Error("got a file left by an orderly end, want the socket and the pidfile removed")
	}
	old := startOldTool(t, at, pidfile)
	refused := i.start(t, at, "-pidfile", pidfile)
	if code := refused.Exit(patience); code != 1 {
		t.Errorf("beside a live old tool: got exit code %d, want 1", code)
	}
	mustName(t, refused.Stderr(), "another process listens there")
	refused = i.start(t, kit.Unix(t), "-pidfile", pidfile)
	if code := refused.Exit(patience); code != 1 {
		t.Errorf("with the pidfile of a live old tool: got exit code %d, want 1", code)
	}
	mustName(t, refused.Stderr(), "-pidfile", "in use by a running process")
	old.kill()

	ours = ready(i.start(t, at, "-pidfile", pidfile))
	i.mustServe(t, at)
	if text, err := os.ReadFile(pidfile); err != nil || strings.TrimSpace(string(text)) != fmt.Sprint(ours.PID()) {
		t.Errorf("got pidfile %q, %v, want the process ID %d", text, err, ours.PID())
	}
	ours.Kill()
	old = startOldTool(t, at, pidfile) // over the stale files of ours
	old.kill()
	ours = ready(i.start(t, at, "-pidfile", pidfile))
	i.mustServe(t, at)
	mustEnd(t, ours)
}

// TestT06TimersDoNotCountSleep: while a machine is suspended, CLOCK_MONOTONIC stands still and
// CLOCK_BOOTTIME does not. All timers of a daemon use CLOCK_MONOTONIC. So sessions do not age
// while it is suspended, and no requests time out when it resumes.
func TestT06TimersDoNotCountSleep(t *testing.T) {
	t.Parallel()
	for _, i := range kit.Chosen(t, instances()) {
		t.Run(i.name, func(t *testing.T) {
			t.Parallel()
			at := kit.Unix(t)
			p := ready(i.start(t, at))
			i.mustServe(t, at)
			clocks := timerClocks(t, p.PID())
			if len(clocks) == 0 {
				t.Fatal("got no timer descriptor, want the loop's")
			}
			for _, clock := range clocks {
				if clock != "1" { // CLOCK_MONOTONIC of time.h
					t.Errorf("got a timer on clock %s, want 1, CLOCK_MONOTONIC", clock)
				}
			}
		})
	}
}

// timerClocks gives the clockid of each timerfd of a process, by proc(5).
func timerClocks(t *testing.T, pid int) (clocks []string) {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fdinfo", pid))
	if os.IsPermission(err) {
		t.Skip("only root can look into what a daemon keeps to itself")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, e.Name()))
		if err != nil {
			continue // closed since
		}
		for line := range strings.Lines(string(text)) {
			if id, found := strings.CutPrefix(line, "clockid:"); found {
				clocks = append(clocks, strings.TrimSpace(id))
			}
		}
	}
	return clocks
}

// TestT05AnyUptime runs both daemons in time namespaces in which the machine has been up
// for a day, for ten years, and for as long as the kernel allows: timeouts and expiry are
// those of any other day.
func TestT05AnyUptime(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, seconds string }{
		{"a day", "86400"}, {"ten years", "315360000"}, {"146 years", "4611000000"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			unshare := timeNamespace(t, row.seconds)
			up := kit.NewUpstream(t, kit.Unix(t))
			up.On(func(q kit.Request) bool { return q.ID == "lost" }).Do(kit.Drop)
			server, at := kit.Unix(t), kit.Unix(t)
			ready(unshare("dc_server", "-listen", server.String()))
			ready(unshare("dc_client", "-listen", at.String(), "-server", up.Endpoint().String(), "-timeout", "150", "-retry", "100")).
				WaitStderr(patience, "connected to dc_server")
			mustKeep(t, server, "long")
			c := kit.Dial(t, server)
			const life = 400 * time.Millisecond
			adding := time.Now()
			c.ExpectStatus(kit.Add(1, "short", "x", life), codec.StatusOK)
			if c.Answer(kit.Have(2, "short"))[0] != byte(codec.StatusOK) && time.Since(adding) < life {
				t.Error("got the session of 400 ms away before its time")
			}
			kit.Wait(t, patience, "expiry", func() bool {
				return c.Answer(kit.Have(3, "short"))[0] == byte(codec.StatusNotOK)
			})
			if took := time.Since(adding); took < 390*time.Millisecond {
				t.Errorf("got a session of 400 ms expired after %v", took)
			}
			mustHave(t, server, "long")
			asked := time.Now()
			kit.Dial(t, at).ExpectStatus(kit.Have(4, "lost"), codec.StatusDisconnected)
			if took := time.Since(asked); took < 140*time.Millisecond || took > patience/2 {
				t.Errorf("got DISCONNECTED after %v, want it after the -timeout of 150 ms", took)
			}
		})
	}
}

// timeNamespace gives how to run a daemon on a machine that has been up for so long.
func timeNamespace(t *testing.T, seconds string) func(name string, args ...string) *kit.Process {
	t.Helper()
	unshare, err := exec.LookPath("unshare")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("time namespaces need root, and unshare(1)")
	}
	options := []string{"-T", "--monotonic", seconds, "--boottime", seconds}
	if out, err := exec.Command(unshare, append(options, "true")...).CombinedOutput(); err != nil {
		t.Skipf("this machine has no time namespaces: %v, %s", err, out)
	}
	return func(name string, args ...string) *kit.Process {
		return kit.Start(t, unshare, append(append(options, kit.Tool(name)), args...)...)
	}
}
