package daemon

import (
	"bytes"
	"testing"
	"time"

	"distcache/engine"
	"distcache/engine/buffer"
	"distcache/internal/daemon/logging"
	"distcache/internal/daemon/metrics"
)

// counting is an App with one figure.
type counting struct{ n float64 }

func (c *counting) Open(*engine.Loop, *engine.Clients, *buffer.Pool) (engine.Handler, error) {
	return nil, nil
}
func (c *counting) Start(time.Duration)                   {}
func (c *counting) Reload(time.Duration)                  {}
func (c *counting) Busy() int                             { return 0 }
func (c *counting) Status(time.Duration) metrics.Status   { return metrics.Status{} }
func (c *counting) Stop(time.Duration)                    {}
func (c *counting) Close() error                          { return nil }
func (c *counting) Snapshot(time.Duration) metrics.Source { c.n++; return &counting{c.n} }

func (c *counting) Collect(set *metrics.Set) {
	metrics.Collect(set, []metrics.Figure[counting]{{Description: metrics.Description{Name: "counted_total", Kind: metrics.Counter},
		Read: func(c *counting, put metrics.Put) { put(c.n) }}}, c)
}

// TestStuckLoopIsReported: who asks waits no longer than they said, learns which loop does not answer, and sees no
// total fall.
func TestStuckLoopIsReported(t *testing.T) {
	var all []*reactor
	for range 2 {
		loop, err := engine.NewLoop()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &reactor{app: &counting{}, loop: loop, clients: engine.NewClients(loop, buffer.NewPool(1<<20))})
	}
	log, _ := logging.Open(logging.Config{Stderr: &bytes.Buffer{}})
	defer log.Close(time.Second)
	f := newFigures(&Config{Program: "dc_test"}, all, log)

	set := f.gather(time.Millisecond) // none of the loops runs
	if got := set.Total(metrics.LoopAnswers); got != 0 || set.Total(metrics.Loops) != 2 || len(set.Status) != 2 || set.Ready() {
		t.Errorf("no loop runs: got %v that answer of %v, and %+v", got, set.Total(metrics.Loops), set.Status)
	}
	ended := make(chan error, 2)
	go func() { ended <- all[0].loop.Run() }()
	set = f.gather(patience / 20)
	if got := set.Total(metrics.LoopAnswers, "0"); got != 1 {
		t.Errorf("the loop that runs: got %v, want that it answers", got)
	}
	if got := set.Status; len(got) != 1 || got[0].Text != "event loop 1 does not answer" {
		t.Errorf("got %+v, want the loop that does not answer", got)
	}
	before := set.Total("counted_total")
	all[0].loop.Stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	set = f.gather(time.Millisecond)
	if got := set.Total("counted_total"); got != before || before == 0 {
		t.Errorf("the total went from %v to %v with the loop", before, got)
	}
	go func() { ended <- all[1].loop.Run() }()
	all[1].loop.Stop()
	<-ended
}
