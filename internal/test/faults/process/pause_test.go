package process

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// linked is the program in front of an honest dc_server, if it is a dc_client.
func (p program) linked(t *testing.T) program {
	t.Helper()
	if p.name == "dc_client" {
		up := kit.NewUpstream(t, kit.Unix(t))
		p.args = []string{"-server", up.Endpoint().String(), "-timeout", "10000"}
		p.absent = codec.StatusNotOK
	}
	return p
}

// impatient is the program with less time for a request than it is held still.
func (p program) impatient() program {
	if n := len(p.args); p.name == "dc_client" {
		p.args = append(slices.Clone(p.args[:n-1]), "1000")
	}
	return p
}

// startLinked is start, and waits until the answers are dc_server's.
func (p program) startLinked(t *testing.T) (*kit.Process, kit.Endpoint) {
	t.Helper()
	process, at := p.start(t)
	if p.name == "dc_client" {
		process.WaitStderr(patience, "connected to dc_server")
	}
	return process, at
}

// heldFor is how long a daemon is held still: twice what its watchdog allows a loop.
func heldFor() time.Duration {
	if kit.Full() {
		return 60 * time.Second
	}
	return 2 * time.Second // the build for tests allows 1.5 s
}

// mustSurvive has clients ask, holds the daemon still, has them ask meanwhile, lets it go
// on, and holds that each of them is answered, that the daemon is as well as before, and
// that it says little about it.
func (p program) mustSurvive(t *testing.T, process *kit.Process, at kit.Endpoint, hold, release func()) {
	t.Helper()
	var clients []*kit.Client
	for range 50 {
		c := kit.Dial(t, at)
		c.SetPatience(patience)
		c.AwaitStatus(kit.Have(1, "nobody's"), p.absent) // an impatient one may be too late
		clients = append(clients, c)
	}
	check := func(kit.Slack) {}
	if os.Geteuid() == 0 { // most of /proc is closed to others (PR_SET_DUMPABLE)
		check = process.Post().Check
	}
	said := len(process.Stderr())
	hold()
	for _, c := range clients[1:] {
		c.Send(kit.Have(2, "nobody's"))
	}
	time.Sleep(heldFor())
	release()
	for _, c := range clients[1:] {
		if m, err := c.ReadMessage(); err != nil || m.UID != 2 || m.PayloadLen != 1 {
			t.Fatalf("got %v, %v after it went on, want a status for request 2", m, err)
		}
	}
	clients[0].AwaitStatus(kit.Have(3, "nobody's"), p.absent)
	if lines := strings.Count(process.Stderr()[said:], "\n"); lines > 4 {
		t.Errorf("got %d lines about it, want few:\n%s", lines, process.Stderr()[said:])
	}
	check(kit.DefaultSlack())
	mustEnd(t, process)
}

// TestO25StoppedAndContinued: a SIGSTOP that lasts longer than the watchdog's limit does no
// harm.
func TestO25StoppedAndContinued(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		p = p.faulty().linked(t).impatient()
		process, at := p.startLinked(t)
		p.mustSurvive(t, process, at,
			func() { process.Signal(syscall.SIGSTOP) }, func() { process.Signal(syscall.SIGCONT) })
	})
}

// TestO25TracedAndHeld: strace attaches to all threads and is then stopped, which holds each
// thread at its next system call. Later it continues and detaches.
func TestO25TracedAndHeld(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		needRoot(t) // the daemons are not dumpable
		strace, err := exec.LookPath("strace")
		if err != nil {
			t.Skip("strace is not there to be the debugger")
		}
		p = p.faulty().linked(t).impatient()
		process, at := p.startLinked(t)
		tracer := exec.Command(strace, "-qq", "-f", "-o", "/dev/null", "-p", strconv.Itoa(process.PID()))
		if err := tracer.Start(); err != nil {
			t.Fatal(err)
		}
		ended := false
		defer func() {
			if !ended {
				_ = tracer.Process.Kill()
				_ = tracer.Wait()
			}
		}()
		kit.Wait(t, patience, "strace attached", func() bool { return traced(process.PID()) })
		p.mustSurvive(t, process, at, func() { _ = tracer.Process.Signal(syscall.SIGSTOP) }, func() {
			_ = tracer.Process.Signal(syscall.SIGCONT)
			_ = tracer.Process.Signal(syscall.SIGINT)
			_ = tracer.Wait()
			ended = true
		})
	})
}

func traced(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	return err == nil && !strings.Contains(string(text), "\nTracerPid:\t0\n")
}

// TestR09ABusyNeighbour shares one CPU with four busy processes. Answers are right, and the
// watchdog (limit: 1.5 s here) finds no stuck loop.
func TestR09ABusyNeighbour(t *testing.T) {
	kit.NeedFull(t, "takes the CPU from other tests")
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		t.Skip("taskset is not there to tie processes to a CPU")
	}
	forEach(t, func(t *testing.T, p program) {
		p = p.faulty().linked(t)
		process, at := p.startLinked(t)
		if out, err := exec.Command(taskset, "-a", "-c", "-p", "0", strconv.Itoa(process.PID())).CombinedOutput(); err != nil {
			t.Skipf("taskset: %v: %s", err, out)
		}
		for range 4 {
			kit.Start(t, taskset, "-c", "0", "/bin/sh", "-c", "while :; do :; done")
		}
		answered := 0
		for began := time.Now(); time.Since(began) < heldFor(); answered++ {
			c := kit.Dial(t, at)
			c.SetPatience(patience)
			got := c.Answer(kit.Have(uint32(answered), "nobody's"))
			if s := codec.Status(got[0]); s != p.absent && s != codec.StatusDisconnected {
				t.Fatalf("got %v, want %v, or a timeout's %v", s, p.absent, codec.StatusDisconnected)
			}
			_ = c.Close()
		}
		t.Logf("%d answers in %v beside four that want the CPU", answered, heldFor())
		mustEnd(t, process)
	})
}

// TestO25AnswersThatCameAreDelivered stops dc_client for longer than its timeout, while more
// answers arrive than one read takes. No client gets DISCONNECTED.
func TestO25AnswersThatCameAreDelivered(t *testing.T) {
	t.Parallel()
	const clients, data, rounds, timeout = 60, 32_000, 10, 500 * time.Millisecond
	up := kit.NewUpstream(t, kit.Loopback())
	up.Put("big", strings.Repeat("x", data), time.Hour)
	p := programs()[0]
	p.args = []string{"-server", up.Endpoint().String(), "-timeout", "500"}
	process, at := p.startLinked(t)
	var all []*kit.Client
	for range clients {
		c := kit.Dial(t, at)
		c.SetPatience(patience)
		all = append(all, c)
	}
	for range rounds { // the kernel gives the connection larger buffers
		askForBig(all)
		disconnected(t, all)
	}
	inTime := false
	for tries := 0; !inTime; tries++ {
		if tries == 30 {
			t.Skipf("in %d tries dc_server was not asked within %v of a request: this machine is too busy", tries, timeout/2)
		}
		up.On(func(kit.Request) bool { return true }).Times(1).Do(kit.Delay(timeout / 2))
		before, asked := up.Asked(), time.Now()
		askForBig(all)
		came := kit.Within(timeout, func() bool { return up.Asked() >= before+clients })
		process.Signal(syscall.SIGSTOP)
		inTime = came && time.Since(asked) < timeout/2 // else the machine was busy, and requests may have timed out before
		time.Sleep(2 * timeout)                        // it is held, and that is not waited for
		process.Signal(syscall.SIGCONT)
		if n := disconnected(t, all); n > 0 && inTime {
			t.Errorf("got %d of %d requests answered DISCONNECTED, want their answers", n, clients)
		}
	}
	mustEnd(t, process)
}

func askForBig(clients []*kit.Client) {
	for _, c := range clients {
		c.Send(kit.Get(1, "big"))
	}
}

// disconnected reads an answer for each, and counts those that are not dc_server's.
func disconnected(t *testing.T, clients []*kit.Client) (n int) {
	t.Helper()
	for _, c := range clients {
		m, err := c.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if s, err := codec.ParseStatus(m); err == nil && s == codec.StatusDisconnected {
			n++
		}
	}
	return n
}
