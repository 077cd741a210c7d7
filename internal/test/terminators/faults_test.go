package terminators

import (
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// timeout is the -timeout of the dc_clients, their default.
const timeout = 200 * time.Millisecond

// operations are how often one handshake can wait for the cache: a look-up and a session to store, in TLS 1.3 two.
var operations = map[string]time.Duration{"tls1_2": 2, "tls1_3": 3}

// TestFaults: whatever becomes of dc_server, each handshake comes to its end, no operation of the cache
// takes longer than -timeout, the terminators live on, and sessions are resumed again when it is back.
func TestFaults(t *testing.T) {
	for _, k := range terminators {
		t.Run(k.name, func(t *testing.T) {
			s, jitter := k.open(t, "-timeout", "200"), kit.MeasureJitter(t)
			c := startCrowd(t, k, s)
			k.mustResumeAgain(t, s)
			well := c.await(4)

			s.server.Kill()
			stopped := c.await(4)
			s.restart()
			k.mustResumeAgain(t, s)

			s.server.Signal(syscall.SIGSTOP)
			hung := c.await(8)
			s.server.Signal(syscall.SIGCONT)
			k.mustResumeAgain(t, s)

			var restarted []visit
			for range 3 {
				s.server.Kill()
				s.restart()
				restarted = append(restarted, c.await(2)...)
			}
			k.mustResumeAgain(t, s)
			c.end()
			s.mustLive()
			usual := median(well)
			for _, phase := range []struct {
				what   string
				visits []visit
			}{{"stopped", stopped}, {"hung", hung}, {"restarted", restarted}} {
				t.Logf("dc_server %s: %d visits, median %v, longest %v; before: %v", phase.what, len(phase.visits), median(phase.visits), longest(phase.visits), usual)
				for _, v := range phase.visits {
					jitter.MustTake(t, v.version+" visit while dc_server is "+phase.what, v.took, 0, usual+operations[v.version]*(timeout+kit.Promptly))
				}
			}
			jitter.MustTake(t, "most visits while dc_server is stopped", median(stopped), 0, usual+kit.Promptly)
			if slices.ContainsFunc(slices.Concat(stopped, hung), func(v visit) bool { return v.resumed }) {
				t.Error("got a session of the other host resumed without dc_server, want it to come from there")
			}
		})
	}
}

// mustResumeAgain waits until a session is resumed at the other host.
func (k *kind) mustResumeAgain(t *testing.T, s *site) {
	t.Helper()
	for _, version := range k.versions {
		session := filepath.Join(t.TempDir(), "session")
		kit.Wait(t, kit.Patience, version+" session that is resumed", func() bool {
			k.visit(t, s.hosts[0], version, session, false)
			return k.visit(t, s.hosts[1], version, session, true)
		})
	}
}

// crowd is clients that visit both hosts all the time, one for each version of TLS.
type crowd struct {
	t       *testing.T
	clients int
	quit    chan struct{}
	running sync.WaitGroup

	mu     sync.Mutex
	visits []visit
	ended  bool
}

func startCrowd(t *testing.T, k *kind, s *site) *crowd {
	c := &crowd{t: t, quit: make(chan struct{})}
	for _, version := range slices.Concat(k.versions, k.never) {
		c.clients++
		session := filepath.Join(t.TempDir(), "session")
		c.running.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-c.quit:
					return
				default:
					c.add(k.browse(s.hosts[n/2%2^n%2], version, session, n%2 == 1))
				}
			}
		})
	}
	t.Cleanup(c.end)
	return c
}

func (c *crowd) add(v visit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.visits = append(c.visits, v)
}

// await waits until so many visits for each client have begun from now on, and come to an end. None may have failed.
func (c *crowd) await(each int) []visit {
	c.t.Helper()
	from := time.Now()
	var since []visit
	kit.Wait(c.t, time.Minute, "visits", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		since = since[:0]
		for _, v := range c.visits {
			if v.err != nil {
				c.t.Fatal(v.err)
			}
			if v.began.After(from) {
				since = append(since, v)
			}
		}
		return len(since) >= each*c.clients
	})
	return slices.Clone(since)
}

// end stops the clients. No visit may have failed.
func (c *crowd) end() {
	c.mu.Lock()
	ended := c.ended
	c.ended = true
	c.mu.Unlock()
	if ended {
		return
	}
	close(c.quit)
	c.running.Wait()
	for _, v := range c.visits {
		if v.err != nil {
			c.t.Error(v.err)
		}
	}
}

func median(visits []visit) time.Duration {
	times := sorted(visits)
	return times[len(times)/2]
}

func longest(visits []visit) time.Duration { return slices.Max(sorted(visits)) }

func sorted(visits []visit) []time.Duration {
	var times []time.Duration
	for _, v := range visits {
		times = append(times, v.took)
	}
	slices.Sort(times)
	return times
}
