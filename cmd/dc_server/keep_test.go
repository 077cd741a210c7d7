package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// keeper starts dc_servers one after the other, as an upgrade does.
type keeper struct {
	t    *testing.T
	at   kit.Endpoint
	args []string
}

func newKeeper(t *testing.T, args ...string) *keeper {
	at := kit.Unix(t)
	return &keeper{t, at, append(slices.Clone(args), "-listen", at.String())}
}

// start starts the next one, without waiting for it.
func (k *keeper) start() *kit.Process { return kit.Start(k.t, kit.Tool(program), k.args...) }

// mustHold asks for sessions 0 to n-1.
func (k *keeper) mustHold(n int, want codec.Status) {
	k.t.Helper()
	client := kit.Dial(k.t, k.at)
	for i := range n {
		data := string([]byte{byte(want)})
		if want == codec.StatusOK {
			data = fmt.Sprint("data ", i)
		}
		if got := string(client.Answer(kit.Get(1, fmt.Sprint("session ", i)))); got != data {
			k.t.Fatalf("session %d: got %q, want %q", i, got, data)
		}
	}
}

func (k *keeper) add(n int) {
	k.t.Helper()
	client := kit.Dial(k.t, k.at)
	for i := range n {
		client.ExpectStatus(kit.Add(1, fmt.Sprint("session ", i), fmt.Sprint("data ", i), time.Hour), codec.StatusOK)
	}
}

// TestKeepOverASocket: a new dc_server has the sessions of the one that runs, which ends; again and again.
// After an orderly end without a next one, and after a kill, they are gone.
func TestKeepOverASocket(t *testing.T) {
	t.Parallel()
	k := newKeeper(t, "-keep", "UNIX:"+kit.SocketDir(t)+"/keep", "-pidfile", kit.SocketDir(t)+"/pid")
	const n = 200
	old := k.start()
	old.WaitStderr(patience, " ready ")
	old.WaitStderr(patience, "INFO no sessions taken over: the cache is empty")
	k.add(n)
	for range 3 {
		next := k.start()
		next.WaitStderr(patience, "INFO took over sessions sessions=200 expired=0 evicted=0 torn=false previous_exit=orderly")
		if code := old.Exit(patience); code != 0 {
			t.Errorf("got exit code %d of the old one, want 0", code)
		}
		old.WaitStderr(patience, "handing the sessions over to a new dc_server")
		k.mustHold(n, codec.StatusOK)
		old = next
	}
	old.Stop()
	again := k.start()
	again.WaitStderr(patience, " ready ")
	k.mustHold(n, codec.StatusNotOK)
	k.add(n)
	again.Kill()
	k.start().WaitStderr(patience, " ready ")
	k.mustHold(n, codec.StatusNotOK)
}

// TestKeepWithOtherFlags: limits may change, and without -keep the new one waits for nothing.
func TestKeepWithOtherFlags(t *testing.T) {
	t.Parallel()
	k := newKeeper(t, "-keep", "UNIX:"+kit.SocketDir(t)+"/keep")
	const n = 100
	old := k.start()
	old.WaitStderr(patience, " ready ")
	k.add(n)
	k.args = append(k.args, "-sessions", "64", "-memory", "100")
	k.start().WaitStderr(patience, "INFO took over sessions sessions=64 expired=0 evicted=36 ")
	old.Exit(patience)
}

// TestKeepAsksOthers: what asks no question, or a wrong one, ends nothing; what stands at the path and gives
// nothing keeps nothing from starting.
func TestKeepAsksOthers(t *testing.T) {
	t.Parallel()
	path := kit.SocketDir(t) + "/keep"
	k := newKeeper(t, "-keep", "UNIX:"+path)
	process := k.start()
	process.WaitStderr(patience, " ready ")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("got %v, %v of the socket, want mode 0600", info, err)
	}
	k.add(1)
	for _, request := range []string{"", "distcache: please\n", strings.Repeat("x", 100)} {
		c := kit.Dial(t, kit.Endpoint{Network: "unix", Address: path})
		c.Send([]byte(request))
		_ = c.CloseWrite()                                                               // it may have been closed already
		if b, err := c.ReadAll(); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) { // a reset is an end, too
			t.Errorf("got %q, %v for the request %q, want nothing and the end", b, err, request)
		}
		c.Close()
	}
	k.mustHold(1, codec.StatusOK)
	process.Stop()

	silent, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	silent.SetUnlinkOnClose(false) // as a process that was killed leaves its file
	other := newKeeper(t, "-keep", "UNIX:"+path)
	next := other.start()
	_ = silent.SetDeadline(time.Now().Add(patience))
	c, err := silent.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	if line, err := bufio.NewReader(c).ReadString('\n'); line != "distcache: hand over\n" {
		t.Errorf("got the request %q, %v", line, err)
	}
	silent.Close()
	c.Close()
	next.WaitStderr(patience, "WARN no sessions taken over: the cache is empty reason=\"the running dc_server did not hand its sessions over")
	next.WaitStderr(patience, " ready ")
	other.mustHold(1, codec.StatusNotOK)
}

// managed starts a dc_server as systemd does, with what the manager has stored.
func managed(k *keeper, m *kit.Manager) *kit.Process {
	stored := m.Stored()
	c := kit.Command{Path: "/bin/sh", Env: m.Env(0), Files: stored}
	passed := ""
	if len(stored) > 0 {
		passed = "export LISTEN_PID=$$ LISTEN_FDS=" + strconv.Itoa(len(stored)) + " LISTEN_FDNAMES=" +
			strings.Repeat(":distcache-sessions", len(stored))[1:] + "; "
	}
	c.Args = append([]string{"-c", passed + `exec "$0" "$@"`, kit.Tool(program)}, k.args...)
	return c.Start(k.t)
}

// TestKeepBySystemd: the sessions are there after an orderly end and after a kill, and what is spoilt gives an empty cache,
// which is kept in turn.
func TestKeepBySystemd(t *testing.T) {
	t.Parallel()
	k, m := newKeeper(t, "-keep", "systemd"), kit.NewManager(t)
	const n = 200
	process := managed(k, m)
	process.WaitStderr(patience, " ready ")
	kit.Wait(t, patience, "descriptor", func() bool { return len(m.Stored()) == 1 })
	k.add(n)
	for _, end := range []string{"orderly", "killed"} {
		if end == "killed" {
			process.Kill()
		} else {
			process.Stop()
		}
		process = managed(k, m)
		process.WaitStderr(patience, "INFO took over sessions sessions=200 expired=0 evicted=0 torn=false previous_exit="+end)
		k.mustHold(n, codec.StatusOK)
	}
	second := newKeeper(t, k.args[:2]...)
	other := managed(second, m)
	other.WaitStderr(patience, "WARN no sessions taken over: the cache is empty reason=\"kept sessions cannot be used: another process is using them\"")
	kit.Wait(t, patience, "another descriptor", func() bool {
		return len(m.Stored()) == 1 && strings.Count(strings.Join(m.Told(), " "), "FDSTORE=1") == 2
	})
	other.WaitStderr(patience, " ready ")
	second.add(1)
	process.Stop()
	other.Kill()
	if _, err := m.Stored()[0].WriteAt(make([]byte, 128), 0); err != nil {
		t.Fatal(err)
	}
	process = managed(k, m)
	process.WaitStderr(patience, "WARN no sessions taken over: the cache is empty reason=\"kept sessions cannot be used: the memfd has no header of dc_server\"")
	process.WaitStderr(patience, " ready ")
	k.mustHold(1, codec.StatusNotOK)
}

// TestKeepBySystemdIsGivenUp: without -keep systemd, systemd is told to forget the sessions; without systemd, -keep says so.
func TestKeepBySystemdIsGivenUp(t *testing.T) {
	t.Parallel()
	k, m := newKeeper(t, "-keep", "systemd"), kit.NewManager(t)
	process := k.start()
	process.WaitStderr(patience, `WARN -keep systemd: the sessions will not survive a restart reason="systemd has not started this process`)
	process.Stop()
	for _, keep := range [][]string{nil, {"-keep", "UNIX:" + kit.SocketDir(t) + "/keep"}} {
		process = managed(k, m)
		kit.Wait(t, patience, "descriptor", func() bool { return len(m.Stored()) == 1 })
		process.Stop()
		without := &keeper{t, k.at, slices.Concat(k.args[2:], keep)}
		process = managed(without, m)
		process.WaitStderr(patience, " ready ")
		kit.Wait(t, patience, "removal of the descriptor", func() bool { return len(m.Stored()) == 0 })
		process.Stop()
	}
}

// TestKeepUnderDcClient: an upgrade costs clients of dc_client no session, and with a million of them
// less than a second of DISCONNECTED.
func TestKeepUnderDcClient(t *testing.T) {
	t.Parallel()
	n := kit.Sized(5000, 1_000_000)
	k := newKeeper(t, "-keep", "UNIX:"+kit.SocketDir(t)+"/keep", "-sessions", strconv.Itoa(n))
	old := k.start()
	old.WaitStderr(patience, " ready ")
	k.fill(n)
	at := kit.Unix(t)
	proxy := kit.Start(t, kit.Tool("dc_client"), "-listen", at.String(), "-server", k.at.String())
	proxy.WaitStderr(patience, " ready ")
	client, random := kit.Dial(t, at), kit.Random(t)
	client.AwaitStatus(kit.Have(1, million(0)), codec.StatusOK)

	next := k.start()
	var longest time.Duration
	for answered, ended := time.Now(), false; !ended; {
		ended = strings.Contains(next.Stderr(), "INFO took over sessions") && !old.Running() // looked at before the request
		i := random.IntN(n)
		switch status := codec.Status(client.Answer(kit.Have(1, million(i)))[0]); status {
		case codec.StatusOK:
			longest, answered = max(longest, time.Since(answered)), time.Now()
		case codec.StatusNotOK:
			t.Fatalf("got no session %d, want all", i)
		default:
			ended = false
			time.Sleep(time.Millisecond) // dc_server has what there is of the CPU
		}
	}
	next.WaitStderr(patience, fmt.Sprintf("INFO took over sessions sessions=%d expired=0 evicted=0", n))
	adoption := regexp.MustCompile(`took=(\d\S*)`).FindStringSubmatch(next.Stderr())
	t.Logf("%d sessions: DISCONNECTED for %v at the most, of which adoption took %s", n, longest, adoption[1])
	if longest > time.Second {
		kit.TooSlow(t, "DISCONNECTED for %v, want at most 1 s", longest)
	}
}

// million is the id of one of many sessions.
func million(i int) string { return fmt.Sprintf("session %024d", i) }

// fill adds n sessions of the usual size, 500 in a batch.
func (k *keeper) fill(n int) {
	k.t.Helper()
	const batch = 500
	client, data := kit.Dial(k.t, k.at), strings.Repeat("x", 180)
	for i := 0; i < n; i += batch {
		var requests, answers []byte
		for uid := range uint32(batch) {
			requests = append(requests, kit.Add(uid, million(i+int(uid)), data, time.Hour)...)
			answers = codec.AppendStatus(answers, uid, codec.OpAdd, codec.StatusOK)
		}
		client.Send(requests)
		client.Expect(answers)
	}
}
