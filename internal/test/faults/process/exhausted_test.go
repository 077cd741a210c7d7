package process

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec"
	"distcache/internal/test/kit"
)

const (
	// resting is how long accepting may rest before it is tried again.
	resting = 100 * time.Millisecond
	// restingCPU is the share of a CPU that it may take then.
	restingCPU = 0.02
)

// watched is how long a daemon is watched that is out of something.
func watched() time.Duration {
	if kit.Full() {
		return time.Second
	}
	return 4 * resting
}

// scarce is what a system call may be refused for.
func scarce() []unix.Errno {
	if kit.Full() {
		return []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS}
	}
	return []unix.Errno{unix.EMFILE, unix.ENOMEM}
}

// insider is a client that is served before something runs out.
func (p program) insider(t *testing.T, at kit.Endpoint) *kit.Client {
	t.Helper()
	c := kit.Dial(t, at)
	c.ExpectStatus(kit.Have(1, "nobody's"), p.absent)
	return c
}

// newcomer connects and asks at once; what comes of it is for later.
func newcomer(t *testing.T, at kit.Endpoint) *kit.Client {
	t.Helper()
	c := kit.Dial(t, at)
	c.SetPatience(patience)
	_ = c.Write(kit.Have(1, "nobody's")) // EPIPE: it was refused already
	return c
}

// isServed waits until a newcomer is answered or refused, which is that the connection ends.
func (p program) isServed(t *testing.T, c *kit.Client) bool {
	t.Helper()
	m, err := c.ReadMessage()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("got neither an answer nor the end of a new connection")
	}
	if err != nil {
		return false
	}
	if s, err := codec.ParseStatus(m); err != nil || s != p.absent || m.UID != 1 {
		t.Fatalf("got %v for %#x, %v, want %v for 1", s, m.UID, err, p.absent)
	}
	return true
}

// fewest is how many tries that far apart there are at the least in the time in which a
// daemon is watched: half of them on a machine that is busy.
func fewest(apart time.Duration) int {
	n := int(watched() / apart)
	if !kit.TimesJudged() {
		n /= 2
	}
	return n
}

// mustServeAtOnce holds that clients that are in are served as promptly as ever.
func mustServeAtOnce(t *testing.T, jitter *kit.Jitter, want codec.Status, inside ...*kit.Client) {
	t.Helper()
	slowest := time.Duration(0)
	for n := range max(20, len(inside)) {
		began := time.Now()
		inside[n%len(inside)].ExpectStatus(kit.Have(uint32(n), "nobody's"), want)
		slowest = max(slowest, time.Since(began))
	}
	jitter.MustTake(t, "answers to clients that are in", slowest, 0, kit.Promptly)
}

// mustRest holds that the process takes next to no CPU for a while: in one of a few, as the time of a
// process is counted in ticks of 10 ms, with the tracer's. What spins takes more in all of them.
func mustRest(t *testing.T, process *kit.Process) {
	t.Helper()
	best := 1.0
	for tries := 0; best > restingCPU && tries < kit.Sized(1, 5); tries++ {
		best = min(best, cpuWhile(t, process, watched()))
	}
	if t.Logf("%.1f %% of a CPU", best*100); best > restingCPU {
		kit.TooSlow(t, "got %.1f %% of a CPU, want %.0f %% at most", best*100, restingCPU*100)
	}
}

// mustSay holds that a line with the text and the reason came, and no more than one a
// second with the text, since it had written that many bytes to stderr.
func mustSay(t *testing.T, process *kit.Process, since int, began time.Time, text, reason string) {
	t.Helper()
	process.Wait(patience, text, func() bool { return strings.Contains(process.Stderr()[since:], text) })
	said := process.Stderr()[since:]
	lines, most := strings.Count(said, text), int(time.Since(began)/time.Second)+1
	if lines > most {
		t.Errorf("got %d lines, want %d at most:\n%s", lines, most, said)
	}
	mustName(t, said, reason)
}

// TestR02AcceptFails: accept fails for want of descriptors or memory. The daemon tries again in
// time and does not spin. Connected clients are served; waiting ones are served once accept
// succeeds.
func TestR02AcceptFails(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		for _, errno := range scarce() {
			t.Run(unix.ErrnoName(errno), func(t *testing.T) {
				t.Parallel()
				jitter := kit.MeasureJitter(t)
				p := p.linked(t)
				process, at := p.startLinked(t)
				inside := p.insider(t, at)
				said, began := len(process.Stderr()), time.Now()
				failing := inject(t, process, "accept4:error="+unix.ErrnoName(errno))
				var waiting []*kit.Client
				for range 5 {
					waiting = append(waiting, newcomer(t, at))
				}
				mustRest(t, process)
				mustServeAtOnce(t, jitter, p.absent, inside)
				mustSay(t, process, said, began, "accepting paused", errno.Error())
				failed := failing.stop()
				freed := time.Now()
				refused := 0
				for _, c := range waiting {
					if !p.isServed(t, c) {
						refused++
					}
				}
				// One may be accepted with the descriptor in reserve, when accepting succeeds just then.
				if refused > 1 {
					t.Errorf("got %d newcomers refused, want all served", refused)
				}
				jitter.MustTake(t, "service once accepting succeeds", time.Since(freed), 0, resting)
				// Each time it is tried twice: the second is for the descriptor in reserve.
				least, most := fewest(resting), 2*int(freed.Sub(began)/(40*time.Millisecond))
				if len(failed) < least || len(failed) > most {
					t.Fatalf("got %d accepts that failed in %v, want %d to %d", len(failed), freed.Sub(began), least, most)
				}
				mustEnd(t, process)
			})
		}
	})
}

// TestR02AcceptFailsOnce: whichever call of accept fails, at most one client is refused, and no
// client waits for long.
func TestR02AcceptFailsOnce(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		jitter := kit.MeasureJitter(t)
		p = p.linked(t)
		process, at := p.startLinked(t)
		inside := p.insider(t, at)
		errs := 0
		calls := 5
		if !kit.Full() {
			calls = 2
		}
		for _, errno := range scarce() {
			for call := 1; call <= calls; call++ {
				rule := fmt.Sprintf("accept4:error=%s:when=%d", unix.ErrnoName(errno), call)
				failed, _ := p.mustRefuseFew(t, process, at, jitter, rule)
				errs += failed
				mustServeAtOnce(t, jitter, p.absent, inside)
			}
		}
		// Where the loop changes its thread, counting begins anew.
		if tries := calls * len(scarce()); errs < tries/2 {
			t.Errorf("got %d errors, want one in most of %d times", errs, tries)
		}
		mustEnd(t, process)
	})
}

// mustRefuseFew connects one client after the other under an injection: no more are
// refused than errors were injected, and none waits for longer than accepting rests, once
// for each error.
func (p program) mustRefuseFew(t *testing.T, process *kit.Process, at kit.Endpoint, jitter *kit.Jitter, rule string) (failed, refused int) {
	t.Helper()
	failing := inject(t, process, rule)
	slowest := time.Duration(0)
	for range 6 {
		began := time.Now()
		c := newcomer(t, at)
		if !p.isServed(t, c) {
			refused++
		}
		slowest = max(slowest, time.Since(began))
		defer func() { _ = c.Close() }()
	}
	if failed = len(failing.stop()); refused > failed {
		t.Errorf("%s: got %d of 6 refused after %d errors", rule, refused, failed)
	}
	jitter.MustTake(t, rule+": slowest newcomer", slowest, 0, resting*time.Duration(max(1, failed)))
	return failed, refused
}

// lowerNofile lets the process open no descriptor with that number or a higher one. The
// result ends that.
func lowerNofile(t *testing.T, process *kit.Process, most uint64) (raise func()) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Prlimit(process.PID(), unix.RLIMIT_NOFILE, nil, &was); err != nil {
		t.Fatal(err)
	}
	set := func(cur uint64) {
		if err := unix.Prlimit(process.PID(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: cur, Max: was.Max}, nil); err != nil {
			t.Fatal(err)
		}
	}
	set(most)
	return func() { set(was.Cur) }
}

// TestR01FullOfDescriptors: clients use up all descriptors. Accepting rests and does not spin.
// Connected clients are served; others are served as soon as some leave.
func TestR01FullOfDescriptors(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		needRoot(t) // for another process's limits
		const most, crowd = 100, 250
		rounds := atFull(9)
		jitter := kit.MeasureJitter(t)
		p = p.linked(t)
		process, at := p.startLinked(t)
		p.mustServe(t, at)
		lowerNofile(t, process, most)
		said, began := len(process.Stderr()), time.Now()
		var inside, outside []*kit.Client
		for range crowd {
			outside = append(outside, newcomer(t, at))
		}
		for p.isServed(t, outside[0]) {
			inside, outside = append(inside, outside[0]), outside[1:]
		}
		if len(inside) < most/2 || len(inside) >= most {
			t.Fatalf("got %d clients served with %d descriptors", len(inside), most)
		}
		mustRest(t, process)
		mustServeAtOnce(t, jitter, p.absent, inside...)
		mustSay(t, process, said, began, "accepting paused", unix.EMFILE.Error())

		var took []time.Duration
		for range rounds {
			_ = inside[0].CloseWrite() // is told at once, also where another test's fork has the descriptor for a moment
			_ = inside[0].Close()
			inside = inside[1:]
			freed := time.Now()
			for !p.isServed(t, outside[0]) {
				if outside = append(outside[1:], newcomer(t, at)); time.Since(freed) > patience {
					t.Fatal("got no newcomer served once a descriptor was free")
				}
			}
			took = append(took, time.Since(freed))
			inside, outside = append(inside, outside[0]), outside[1:]
		}
		t.Logf("%d clients; others were served %v after one of them left", len(inside), took)
		// Half of them: of a machine that was late now and then, the others tell.
		slices.Sort(took)
		jitter.MustTake(t, "service once a descriptor is free", took[rounds/2], 0, resting)
		mustServeAtOnce(t, jitter, p.absent, inside...)
		mustEnd(t, process)
	})
}
