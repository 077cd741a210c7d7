package hostile

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec"
	"distcache/internal/test/kit"
)

const (
	// victims is how many honest clients are timed at a time.
	victims = 4
	// measured is for how long.
	measured = 1500 * time.Millisecond
	// rounds is how often it is tried on a machine where others work too.
	rounds = 4
)

// times is how long each operation of the victims took, sorted.
type times []time.Duration

func (all times) p99() time.Duration { return all[len(all)*99/100] }

// timeVictims has honest clients connect, ask and leave for as long as measured, at each of
// the places by turns.
func timeVictims(t *testing.T, places ...kit.Endpoint) []times {
	t.Helper()
	var mu sync.Mutex
	all := make([]times, len(places))
	var running sync.WaitGroup
	errs := make([]error, victims)
	for n := range victims {
		running.Go(func() {
			mine := make([]times, len(places))
			for began := time.Now(); time.Since(began) < measured && errs[n] == nil; time.Sleep(time.Millisecond) {
				errs[n] = timeOnce(places, mine)
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range places {
				all[i] = append(all[i], mine[i]...)
			}
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("a victim: %v", err)
	}
	for i := range places {
		slices.Sort(all[i])
	}
	return all
}

// timeOnce asks once at each of the places, and notes how long that took.
func timeOnce(places []kit.Endpoint, took []times) error {
	for i, at := range places {
		asked := time.Now()
		if err := askOnce(at); err != nil {
			return err
		}
		took[i] = append(took[i], time.Since(asked))
	}
	return nil
}

func askOnce(at kit.Endpoint) error {
	c, err := kit.Connect(at)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	c.SetPatience(patience)
	m, err := c.Do(kit.Have(9, "nobody's"))
	if s, statusErr := codec.ParseStatus(m); err == nil && (statusErr != nil || s != codec.StatusNotOK) {
		return errors.New("got another answer than NOTOK")
	}
	return err
}

// mustLeaveVictims compares the victims' p99 at the daemon under attack to that at a calm one,
// of the same kind, on the same machine at the same time: so what the machine is late, and what
// it costs to play the attacker, is in both. It must be less than twice as long, in the best of
// a few rounds; those in which the attacker acted less than that say nothing.
func mustLeaveVictims(t *testing.T, o orders, calm kit.Endpoint, least int) {
	t.Helper()
	before := timeVictims(t, o.At, calm)
	t.Logf("before: p99 of %d operations %v at the one that will be attacked, %v at the calm one", len(before[0]), before[0].p99(), before[1].p99())
	best := math.Inf(1)
	for round := range rounds {
		attacker := startAttacker(t, o)
		took := timeVictims(t, o.At, calm)
		attacker.Signal(syscall.SIGTERM)
		did := mustReport(t, attacker)
		ratio := float64(took[0].p99()) / float64(took[1].p99())
		t.Logf("round %d: p99 of %d operations %v under attack, %v at the calm one: %.2f times; the attacker acted %d times, sent %d bytes, got %d",
			round+1, len(took[0]), took[0].p99(), took[1].p99(), ratio, did.Acts, did.Sent, did.Got)
		if did.Datagrams > 0 {
			tellRate(t, did)
		}
		if did.Acts < least {
			t.Logf("round %d: left out, the attacker did not come to act %d times", round+1, least)
			continue
		}
		if best = min(best, ratio); best < 2 {
			return
		}
	}
	if math.IsInf(best, 1) {
		t.Skipf("this machine was too busy in all %d rounds for an attacker that acts %d times in %v", rounds, least, measured)
	}
	t.Errorf("got a p99 %.2f times as long under attack in the best of %d rounds, want less than twice", best, rounds)
}

// needQuiet skips what takes the CPU from all others, which have times to hold themselves.
func needQuiet(t *testing.T) {
	t.Helper()
	if !kit.Full() {
		t.Skip("it takes the CPU from other packages' tests: DISTCACHE_FULL=1 runs this")
	}
	favour(t)
}

// startPair runs a dc_client in front of a dc_server of its own, until the test ends.
func startPair(t *testing.T) (*kit.Process, kit.Endpoint) {
	t.Helper()
	_, server := kit.NewRig(t).Server()
	addBig(t, server)
	return kit.NewRig(t).Client(server)
}

// TestH05SlowClientsLeaveVictims has 5,000 clients send a request byte by byte: some a byte
// every 10 ms, most every 200 ms. None of these requests is forwarded, and other clients notice
// nothing.
func TestH05SlowClientsLeaveVictims(t *testing.T) {
	needQuiet(t)
	needDescriptors(t, dripping+500)
	up := kit.NewUpstream(t, kit.Loopback())
	_, at := kit.NewRig(t).Client(up.Endpoint())
	_, calm := kit.NewRig(t).Client(kit.NewUpstream(t, kit.Loopback()).Endpoint())
	mustLeaveVictims(t, orders{At: at, Attack: "drip", Every: time.Millisecond}, calm, 1000)
	if n := up.Seen(codec.OpAdd, dripped); n != 0 {
		t.Errorf("got %d requests forwarded that never came whole, want none", n)
	}
	mustKeepItsLink(t, up)
}

// TestH22FloodOfConnectsLeavesVictims has clients connect and leave at once, 10,000 times
// a second: a hundred every 10 ms.
func TestH22FloodOfConnectsLeavesVictims(t *testing.T) {
	needQuiet(t)
	_, at := startPair(t)
	_, calm := startPair(t)
	mustLeaveVictims(t, orders{At: at, Attack: "connects", Every: 10 * time.Millisecond}, calm, 100)
}

// TestH23FloodOfRequestsLeavesOthersTheirShare has one client send requests as fast as they
// are taken, beside honest ones.
func TestH23FloodOfRequestsLeavesOthersTheirShare(t *testing.T) {
	needQuiet(t)
	_, at := startPair(t)
	_, calm := startPair(t)
	mustLeaveVictims(t, orders{At: at, Attack: "flood"}, calm, 100)
}

// TestThousandHostileClientsLeaveVictims runs 1,000 hostile clients of all kinds at a time, and
// replaces as many each second. They send garbage or half a request, leave before their answer
// comes, or never read.
func TestThousandHostileClientsLeaveVictims(t *testing.T) {
	needQuiet(t)
	needDescriptors(t, 2*crowd)
	process, at := startPair(t)
	_, calm := startPair(t)
	mustLeaveVictims(t, orders{At: at, Attack: "thousand", Every: time.Millisecond}, calm, 1000)
	if !process.Running() {
		t.Error("dc_client has ended")
	}
}

func addBig(t *testing.T, server kit.Endpoint) {
	t.Helper()
	kit.Dial(t, server).ExpectStatus(kit.Add(1, big, dataOf(bigSize), time.Hour), codec.StatusOK)
}

// Scheduling policies, see sched(7).
const (
	ordinary = 0 // SCHED_OTHER
	realTime = 2 // SCHED_RR
)

// favour gives this process, and all that it starts until the test ends, the CPU before any
// other (SCHED_RR): the times of victims and of daemons then tell nothing of who else works on
// this machine. Where that is not permitted, they do.
func favour(t *testing.T) {
	t.Helper()
	if err := schedule(realTime, 1); err != nil {
		t.Logf("what else this machine does is in the times: %v", err)
		return
	}
	t.Cleanup(func() {
		if err := schedule(ordinary, 0); err != nil {
			t.Error(err)
		}
	})
}

// schedule sets the policy of all threads of this process. Those that are made meanwhile
// have that of the thread that makes them: it looks until there are no new ones.
func schedule(policy, priority uint32) error {
	done := map[string]bool{}
	for before := -1; before < len(done); {
		before = len(done)
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, thread := range threads {
			if err := scheduleThread(thread.Name(), policy, priority); err != nil {
				return fmt.Errorf("schedule thread %s: %w", thread.Name(), err)
			}
			done[thread.Name()] = true
		}
	}
	return nil
}

func scheduleThread(name string, policy, priority uint32) error {
	id, err := strconv.Atoi(name)
	if err != nil {
		return err
	}
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy, Priority: priority}
	if err := unix.SchedSetAttr(id, &attr, 0); !errors.Is(err, unix.ESRCH) { // it may have ended
		return err
	}
	return nil
}
