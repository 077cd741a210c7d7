package hostile

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// asker is a client that always has that many requests on the way, or waiting to be taken.
type asker struct {
	depth    int
	answered atomic.Int64
}

// TestH23EachClientHasItsShare has clients with hundreds of requests waiting, and one with
// few: dc_client takes from each in turn, so that each is answered as often.
func TestH23EachClientHasItsShare(t *testing.T) {
	t.Parallel()
	const floods = 4
	span := time.Second
	if !kit.Full() {
		span = 300 * time.Millisecond
	}
	_, server := kit.NewRig(t).Server()
	_, at := kit.NewRig(t).Client(server)
	modest := &asker{depth: 40}
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
