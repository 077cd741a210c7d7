package hostile

import (
	"errors"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/testkit"
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

// timeVictims has honest clients connect, ask and leave for as long as measured.
func timeVictims(t *testing.T, at testkit.Endpoint) times {
	t.Helper()
	var mu sync.Mutex
	var all times
	var running sync.WaitGroup
	errs := make([]error, victims)
	for n := range victims {
		running.Go(func() {
			var mine times
			for began := time.Now(); time.Since(began) < measured && errs[n] == nil; time.Sleep(time.Millisecond) {
				asked := time.Now()
				errs[n] = askOnce(at)
				mine = append(mine, time.Since(asked))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("a victim: %v", err)
	}
	slices.Sort(all)
	return all
}

func askOnce(at testkit.Endpoint) error {
	c, err := testkit.Connect(at)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	m, err := c.Do(testkit.Have(9, "nobody's"))
	if s, statusErr := codec.ParseStatus(m); err == nil && (statusErr != nil || s != codec.StatusNotOK) {
		return errors.New("got another answer than NOTOK")
	}
	return err
}

// mustLeaveVictims compares the victims' p99 beside an attacker to that without, in turns:
// the best of each, for a turn in which the machine stalled tells nothing of the daemon,
// whichever of the two it hit. It must less than double.
func mustLeaveVictims(t *testing.T, o orders) {
	t.Helper()
	const idle = 2 * time.Millisecond // a p99 over that without an attacker is the machine's
	without, with := time.Hour, time.Hour
	for round := range rounds {
		before := timeVictims(t, o.At)
		if before.p99() > idle {
			t.Logf("round %d: left out, p99 was %v without an attacker", round+1, before.p99())
			continue
		}
		attacker := startAttacker(t, o)
		during := timeVictims(t, o.At)
		attacker.Signal(syscall.SIGTERM)
		did := mustReport(t, attacker)
		without, with = min(without, before.p99()), min(with, during.p99())
		t.Logf("round %d: p99 of %d operations %v without, of %d %v with an attacker, who acted %d times",
			round+1, len(before), before.p99(), len(during), during.p99(), did.Acts)
		if with < 2*without {
			t.Logf("p99 %.1f times as long", float64(with)/float64(without))
			return
		}
	}
	if with == time.Hour {
		t.Skipf("this machine was too busy in all %d rounds for a p99 of %v without an attacker", rounds, idle)
	}
	t.Errorf("got a p99 of %v beside an attacker in the best of %d rounds, want less than twice the %v without", with, rounds, without)
}

// needQuiet skips what only a machine that does nothing else can tell: beside other
// packages' tests the figures are those of the machine.
func needQuiet(t *testing.T) {
	t.Helper()
	if !testkit.Full() {
		t.Skip("victims' times mean something on a quiet machine alone: DISTCACHE_FULL=1 runs this")
	}
}

// TestH05SlowClientsLeaveVictims has 5,000 clients that send a request byte by byte, each a
// byte every 200 ms: none is forwarded, and the victims notice nothing.
func TestH05SlowClientsLeaveVictims(t *testing.T) {
	needQuiet(t)
	needDescriptors(t, dripping+500)
	up := testkit.NewUpstream(t, testkit.Loopback())
	_, at := startClient(t, up.Endpoint())
	mustLeaveVictims(t, orders{At: at, Attack: "drip", Every: time.Millisecond})
	if n := up.Seen(codec.OpAdd, dripped); n != 0 {
		t.Errorf("got %d requests forwarded that never came whole, want none", n)
	}
}

// TestH22FloodOfConnectsLeavesVictims has clients connect and leave at once, 10,000 times
// a second.
func TestH22FloodOfConnectsLeavesVictims(t *testing.T) {
	needQuiet(t)
	_, server := startServer(t)
	_, at := startClient(t, server)
	mustLeaveVictims(t, orders{At: at, Attack: "connects", Every: time.Millisecond})
}

// TestH23FloodOfRequestsLeavesOthersTheirShare has one client ask, a hundred requests on the
// way at a time, beside honest ones.
func TestH23FloodOfRequestsLeavesOthersTheirShare(t *testing.T) {
	needQuiet(t)
	_, server := startServer(t)
	_, at := startClient(t, server)
	mustLeaveVictims(t, orders{At: at, Attack: "flood", Every: time.Millisecond})
}

// TestThousandHostileClientsLeaveVictims has 1,000 clients of all kinds at a time, of which
// as many come and leave each second: who send garbage or half a request, leave while they
// are owed an answer, and never read.
func TestThousandHostileClientsLeaveVictims(t *testing.T) {
	needQuiet(t)
	needDescriptors(t, 2*crowd)
	_, server := startServer(t)
	addBig(t, server)
	process, at := startClient(t, server)
	mustLeaveVictims(t, orders{At: at, Attack: "thousand", Every: time.Millisecond})
	if !process.Running() {
		t.Error("dc_client has ended")
	}
}

func addBig(t *testing.T, server testkit.Endpoint) {
	t.Helper()
	testkit.Dial(t, server).ExpectStatus(testkit.Add(1, big, dataOf(bigSize), time.Hour), codec.StatusOK)
}
