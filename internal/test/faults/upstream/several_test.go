package upstream

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// site is a dc_client with three dc_servers, a, b and c.
type site struct {
	t       *testing.T
	places  [3]kit.Endpoint
	servers [3]*kit.Process
	client  *kit.Process
	load    *kit.Load
}

// calm is a -timeout that no machine is too busy for.
const calm = 10 * time.Second

// siteClients is how many requests can be in flight.
const siteClients = 10

func startSite(t *testing.T, timeout time.Duration, flags ...string) *site {
	s := &site{t: t}
	for i := range s.places {
		s.places[i] = kit.Unix(t)
		s.start(i)
		flags = append(flags, "-server", s.places[i].String())
	}
	var at kit.Endpoint
	s.client, at = kit.NewRig(t).Unlinked(kit.Endpoint{}, append(flags, millis("-timeout", timeout), millis("-retry", retry))...)
	s.load = kit.StartLoad(t, at, siteClients, 5*time.Millisecond)
	return s
}

func (s *site) start(i int) {
	s.t.Helper()
	s.servers[i], _ = kit.NewRig(s.t).Server("-listen", s.places[i].String())
}

// serving waits until server i serves, and gives when the fault that leads to that began.
func (s *site) serving(i int, fault func()) time.Time {
	s.t.Helper()
	began := time.Now()
	fault()
	const line = "now using this dc_server server="
	s.client.Wait(patience, line+s.places[i].String(), func() bool {
		log := s.client.Stderr()
		last := log[max(0, strings.LastIndex(log, line)):]
		return strings.HasPrefix(last, line+s.places[i].String()+" ")
	})
	s.load.FirstServed(patience, time.Now())
	return began
}

// failedSince is how many requests of that time and later were answered DISCONNECTED.
func (s *site) failedSince(began time.Time) (failed int) {
	for _, o := range s.load.Since(began) {
		if !o.Served {
			failed++
		}
	}
	return failed
}

// TestU16FailoverUnderLoad: dc_servers are killed (kill -9) and started again under load. The next of the list takes over, and
// no more requests fail than were in flight; a better one that is back takes over, and none fails.
func TestU16FailoverUnderLoad(t *testing.T) {
	t.Parallel()
	s := startSite(t, calm)
	s.serving(0, func() {})
	for _, step := range []struct {
		name   string
		fault  func()
		serves int
		most   int // requests that may fail
	}{
		{"the first is killed", func() { s.servers[0].Kill() }, 1, siteClients},
		{"so is the second", func() { s.servers[1].Kill() }, 2, siteClients},
		{"the second is back", func() { s.start(1) }, 1, 0},
		{"the first is back", func() { s.start(0) }, 0, 0},
		{"the first ends in order", func() { s.servers[0].Stop() }, 1, siteClients},
	} {
		began := s.serving(step.serves, step.fault)
		if failed := s.failedSince(began); failed > step.most {
			kit.TooSlow(t, "%s: %d requests failed, want %d at most", step.name, failed, step.most)
		}
	}
	s.load.Stop()
}

// TestU15FailoverFromAHungServer: one that hangs (SIGSTOP) is left after its silence; the probe of one that hangs keeps no
// client waiting; and one that goes on serves again, and its late answers reach nobody.
func TestU15FailoverFromAHungServer(t *testing.T) {
	t.Parallel()
	s := startSite(t, time.Second)
	s.serving(0, func() {})
	hang := func(i int) func() { return func() { s.servers[i].Signal(syscall.SIGSTOP) } }
	wake := func(i int) func() { return func() { s.servers[i].Signal(syscall.SIGCONT) } }
	s.serving(1, hang(0))
	s.serving(2, hang(1))
	s.client.WaitStderr(patience, "no connection to dc_server server="+s.places[0].String()) // its probe
	if failed := s.failedSince(s.serving(1, wake(1))); failed > 0 {
		kit.TooSlow(t, "%d requests failed when the second one was back, want none", failed)
	}
	s.serving(0, wake(0))
	s.load.Stop()
}

// TestU16SpreadUnderLoad: of several servers that share the sessions one is killed. Requests for its share are
// answered DISCONNECTED until it is back, and the others are served.
func TestU16SpreadUnderLoad(t *testing.T) {
	t.Parallel()
	s := startSite(t, calm, "-spread", "hash")
	for _, place := range s.places {
		s.client.WaitStderr(patience, "connected to dc_server server="+place.String())
	}
	s.load.FirstServed(patience, time.Now())
	all := s.load.Stop()
	client := kit.Dial(t, s.client.Listens())
	served := func() (served [30]bool) {
		for i := range served {
			m := client.Answer(kit.Have(1, strings.Repeat("x", i+1)))
			served[i] = m[len(m)-1] != byte(codec.StatusDisconnected)
		}
		return served
	}
	if got := served(); got != everyOne() || len(all) == 0 {
		t.Fatalf("with all servers up: got %v served, want all", got)
	}
	s.servers[1].Kill()
	s.client.WaitStderr(patience, "no connection to dc_server server="+s.places[1].String())
	count := 0
	for _, ok := range served() {
		if ok {
			count++
		}
	}
	if count == 0 || count == 30 {
		t.Errorf("without one of three servers: got %d of 30 sessions served, want the share of the others", count)
	}
	s.start(1)
	kit.Wait(t, patience, "service for all", func() bool { return served() == everyOne() })
}

func everyOne() (all [30]bool) {
	for i := range all {
		all[i] = true
	}
	return all
}
