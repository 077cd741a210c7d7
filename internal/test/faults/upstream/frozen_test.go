package upstream

import (
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestU15FrozenServer stops a real dc_server for a while (SIGSTOP): requests end in time
// meanwhile, and afterwards it works without a restart. The long form adds 10 s and two minutes.
func TestU15FrozenServer(t *testing.T) {
	t.Parallel()
	rows := []time.Duration{time.Second}
	if kit.Full() {
		rows = append(rows, 10*time.Second, 2*time.Minute)
	}
	for _, frozen := range rows {
		t.Run(frozen.String(), func(t *testing.T) {
			t.Parallel()
			jitter := kit.MeasureJitter(t)
			server, where := kit.NewRig(t).Server()
			process, at := startLinked(t, where)
			load := kit.StartLoad(t, at, 20, 10*time.Millisecond)
			load.FirstServed(patience, time.Now())
			kit.Dial(t, where).ExpectStatus(kit.Add(1, "kept", "data", time.Hour), codec.StatusOK)
			post := process.Post()

			server.Signal(syscall.SIGSTOP)
			stopped := time.Now()
			time.Sleep(frozen)
			server.Signal(syscall.SIGCONT)
			back := time.Now()
			took := load.FirstServed(patience, back)
			all := load.Stop()
			t.Logf("%d requests, the slowest took %v; service came back after %v", len(all), kit.Slowest(all), took)
			jitter.MustTake(t, "slowest answer", kit.Slowest(all), 0, timeout+kit.Promptly)
			jitter.MustTake(t, "service", took, 0, retry+100*time.Millisecond)
			mustFailWhile(t, all, stopped.Add(timeout), back.Add(-timeout))
			kit.Dial(t, at).AwaitStatus(kit.Have(1, "kept"), codec.StatusOK)
			post.Check(slack())
		})
	}
}

// mustFailWhile holds that nothing that was asked between those times was served.
func mustFailWhile(t *testing.T, all []kit.Outcome, from, to time.Time) {
	t.Helper()
	failed := 0
	for _, o := range all {
		if o.Asked.Before(from) || o.Asked.After(to) {
			continue
		}
		if failed++; o.Served {
			t.Errorf("got an answer of dc_server %v after it could not give any", o.Asked.Sub(from))
		}
	}
	if failed == 0 {
		t.Error("got no answers meanwhile, want some")
	}
}
