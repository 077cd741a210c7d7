package hostile

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestNoInputCostsMoreThanTenfold has hostile clients of each kind come and go, one after
// the other: what dc_client and dc_server do for them takes at most 10 times the CPU that
// their side takes, and they are sent at most 10 times the bytes that they sent. Answers to
// a GET are left out: to be sent a session is what a cache is for. What is logged is a line a
// second. What is forwarded is what came, as internal/agent's tests hold. Pipelines of HAVEs
// may cost 3 times the CPU of asking.
func TestNoInputCostsMoreThanTenfold(t *testing.T) {
	const line = 300 // bytes of a log line
	visits := 2000
	if !kit.Full() {
		visits = 50
	}
	cache, server := kit.NewRig(t).Server()
	addBig(t, server)
	process, at := kit.NewRig(t).Client(server)
	for _, l := range lives() {
		t.Run(l.name, func(t *testing.T) {
			most := time.Duration(10)
			if strings.HasSuffix(l.name, "HAVE at once") {
				most = 3 // a pipeline is forwarded in one batch
			}
			before, logged, began := cpu(t, process, cache), len(process.Stderr()), time.Now()
			did := mustReport(t, startAttacker(t, orders{At: at, Attack: l.name, Times: visits}))
			kit.Dial(t, at).Answer(kit.Have(9, "nobody's")) // what came before is dealt with
			ours, took := cpu(t, process, cache)-before, time.Since(began)
			logged = len(process.Stderr()) - logged
			t.Logf("%v of CPU for %v of theirs (%.1f times), %d bytes sent for %d, %d logged in %v",
				ours, did.CPU, float64(ours)/float64(did.CPU), did.Got, did.Sent, logged, took)
			if did.Acts != visits {
				t.Errorf("got %d visits, want %d", did.Acts, visits)
			}
			if ours > most*did.CPU {
				kit.TooSlow(t, "got %v of CPU used for what cost them %v, want at most %d times as much", ours, did.CPU, most)
			}
			if !l.hits && did.Got > int64(most)*did.Sent {
				t.Errorf("got %d bytes for %d, want at most %d times as many", did.Got, did.Sent, most)
			}
			if lines := 2 + int(took.Seconds()); logged > lines*line {
				t.Errorf("got %d bytes logged in %v, want %d lines of %d at most", logged, took, lines, line)
			}
		})
	}
}

// cpu is what the processes have used, in steps of 10 ms each.
func cpu(t *testing.T, processes ...*kit.Process) (sum time.Duration) {
	t.Helper()
	for _, p := range processes {
		sum += vitals(t, p).CPU
	}
	return sum
}

func vitals(t *testing.T, p *kit.Process) kit.Vitals {
	t.Helper()
	v, err := kit.ReadVitals(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// asker is a client that always has that many requests on the way, or waiting to be taken.
type asker struct {
	depth    int
	answered atomic.Int64
}

// TestH23EachClientHasItsShare runs clients with hundreds of waiting requests beside one with
// few. dc_client serves them in turn, so each that has its window full is answered equally often.
func TestH23EachClientHasItsShare(t *testing.T) {
	t.Parallel()
	const floods = 4
	span := time.Second
	if !kit.Full() {
		span = 300 * time.Millisecond
	}
	_, server := kit.NewRig(t).Server()
	_, at := kit.NewRig(t).Client(server)
	modest := &asker{depth: 128} // twice the window: with less it waits for its own next write
	all := []*asker{modest}
	for range floods {
		all = append(all, &asker{depth: 800})
	}
	total := askFor(t, at, span, all)
	share := float64(modest.answered.Load()) / float64(total)
	t.Logf("%d answers in all, of which the modest client had %.1f %%", total, share*100)
	if fair := 1.0 / (floods + 1); share < fair/2 {
		kit.TooSlow(t, "got %.1f %% of all answers for one of %d clients, want half of %.1f %% at least", share*100, len(all), fair*100)
	}
}

// askFor has them ask for that long, and gives how often all were answered.
func askFor(t *testing.T, at kit.Endpoint, span time.Duration, all []*asker) (total int64) {
	t.Helper()
	stop := time.Now().Add(span)
	var running sync.WaitGroup
	errs := make([]error, len(all))
	for n, a := range all {
		running.Go(func() { errs[n] = a.ask(at, stop) })
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		total += a.answered.Load()
	}
	return total
}

// ask asks until then: a request for each answer.
func (a *asker) ask(at kit.Endpoint, until time.Time) error {
	c, err := kit.Connect(at)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	request, answer := kit.Have(1, "nobody's"), kit.Status(1, codec.OpHave, codec.StatusNotOK)
	half := max(1, a.depth/2)
	if err := c.Write(slices.Repeat(request, a.depth)); err != nil {
		return err
	}
	for time.Now().Before(until) {
		got, err := c.Read(half * len(answer))
		if err != nil {
			return err
		}
		if !bytes.Equal(got, slices.Repeat(answer, half)) {
			return errors.New("got other answers than NOTOK")
		}
		a.answered.Add(int64(half))
		if err := c.Write(slices.Repeat(request, half)); err != nil {
			return err
		}
	}
	return nil
}
