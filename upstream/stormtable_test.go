package upstream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// squall is what a storm was, seen from one dc_server: attempts to connect since a time, and when the hosts were served again.
type squall struct {
	attempts  []int // by 10 ms, from the first to the last
	total     int
	peak      int // the most in 10 ms
	refused   int
	half, all time.Duration // when so many hosts were served
}

// gust is how long attempts are counted together.
const gust = 10 * ms

// settle lets time pass until all hosts are served by that dc_server, and tells what came to it from then on.
func (s *storm) settle(t *testing.T, c *stormCache) (q squall) {
	t.Helper()
	from, before, refused := s.now, len(c.attempts), c.refused
	if !s.run(from+time.Minute, func() bool { return 2*c.serves >= len(s.hosts) }) {
		t.Fatalf("got %d of %d hosts served after a minute, want half of them", c.serves, len(s.hosts))
	}
	q.half = s.now - from
	if !s.run(from+time.Minute, func() bool { return c.serves == len(s.hosts) }) {
		t.Fatalf("got %d of %d hosts served after a minute, want all", c.serves, len(s.hosts))
	}
	q.all, q.refused = s.now-from, c.refused-refused
	for _, at := range c.attempts[before:] {
		for bin := int((at - from) / gust); len(q.attempts) <= bin; {
			q.attempts = append(q.attempts, 0)
		}
		q.attempts[(at-from)/gust]++
		q.total++
	}
	for _, n := range q.attempts {
		q.peak = max(q.peak, n)
	}
	return q
}

// calmed is a storm of hosts that have been served for half a minute.
func calmed(t *testing.T, hosts, caches int, cost time.Duration, jitter bool) *storm {
	t.Helper()
	s := newStorm(hosts, caches, cost, jitter)
	s.start(s.hosts)
	s.settle(t, s.caches[0])
	s.run(s.now+30*time.Second, func() bool { return false })
	return s
}

// restarted is the squall after a dc_server that was away for so long.
func restarted(t *testing.T, hosts int, away, cost time.Duration, jitter bool) squall {
	t.Helper()
	s := calmed(t, hosts, 1, cost, jitter)
	s.caches[0].stop()
	s.run(s.now+away, func() bool { return false })
	s.caches[0].up = true
	return s.settle(t, s.caches[0])
}

// joined is the squall when half of the hosts begin at the same instant, while the others are served.
func joined(t *testing.T, hosts int, cost time.Duration) squall {
	t.Helper()
	s := newStorm(hosts, 1, cost, true)
	s.start(s.hosts[:hosts/2])
	s.run(30*time.Second, func() bool { return false })
	s.start(s.hosts[hosts/2:])
	return s.settle(t, s.caches[0])
}

// failedOver is the squall at the second of two dc_servers when the first is lost, and the one at the first when it is back.
func failedOver(t *testing.T, hosts int, cost time.Duration) (second, first squall) {
	t.Helper()
	s := calmed(t, hosts, 2, cost, true)
	s.caches[0].stop()
	second = s.settle(t, s.caches[1])
	s.run(s.now+10*time.Second, func() bool { return false })
	s.caches[0].up = true
	return second, s.settle(t, s.caches[0])
}

// handshakeCost is the time that one processor takes for a handshake of dc_server's side; docs/SCALE.md has it measured.
const handshakeCost = ms

// stormHosts are the sizes of a site.
func stormHosts() []int { return kit.Sized([]int{100}, []int{10, 100, 1000}) }

// TestReconnectStorm: hosts that lost their dc_server together do not come back together. After it was away for a second, no 10 ms have
// more than an eighth of them; the longer it was away, the fewer. All are served within -retry and the time of their handshakes. With
// make sim it prints the tables of docs/SCALE.md.
func TestReconnectStorm(t *testing.T) {
	table := &strings.Builder{}
	fmt.Fprintf(table, "\n| dc_server was away | hosts | attempts | most in 10 ms | half are served after | all, plain | all, TLS |\n|---|--:|--:|--:|--:|--:|--:|\n")
	for _, away := range kit.Sized([]time.Duration{time.Second}, []time.Duration{50 * ms, time.Second, 10 * time.Second, time.Minute}) {
		for _, hosts := range stormHosts() {
			plain := restarted(t, hosts, away, 0, true)
			secure := restarted(t, hosts, away, handshakeCost, true)
			fmt.Fprintf(table, "| %v | %d | %d | %d | %v | %v | %v |\n", away, hosts, secure.total, secure.peak,
				plain.half.Round(ms), plain.all.Round(ms), secure.all.Round(ms))
			if away >= time.Second && hosts >= 100 && secure.peak > hosts/8 {
				t.Errorf("%d hosts, away for %v: got %d attempts in 10 ms, want %d at most", hosts, away, secure.peak, hosts/8)
			}
			if most := stormRetry + time.Duration(hosts)*handshakeCost + 10*ms; secure.all > most {
				t.Errorf("%d hosts, away for %v: got all of them served after %v, want %v", hosts, away, secure.all, most)
			}
			if hosts == 1000 && away == time.Second {
				t.Logf("attempts of %d hosts in each 10 ms, after %v: %v", hosts, away, secure.attempts)
			}
		}
	}
	t.Log(table)
}

// TestStormWithoutJitter: what TestReconnectStorm holds is the work of the jitter.
func TestStormWithoutJitter(t *testing.T) {
	if q := restarted(t, 50, 10*time.Second, handshakeCost, false); q.peak != 50 {
		t.Errorf("got %d of 50 hosts in the same 10 ms without jitter, want all", q.peak)
	}
}

// TestStormOfBeginners: hosts that begin together come together: each has its first attempt at once. Those that lose the first of two
// dc_servers together come to the second one within LossJitter, at most a third of them in 10 ms. What bounds the time is what the handshakes take.
func TestStormOfBeginners(t *testing.T) {
	table := &strings.Builder{}
	fmt.Fprintf(table, "\n| event | hosts | attempts | most in 10 ms | half are served after | all, TLS |\n|---|--:|--:|--:|--:|--:|\n")
	for _, hosts := range append(stormHosts(), kit.Sized(nil, []int{2000})...) {
		second, first := failedOver(t, hosts, handshakeCost)
		for _, row := range []struct {
			name  string
			q     squall
			comes int // hosts that come, at the same instant
		}{
			{"half of the hosts begin", joined(t, hosts, handshakeCost), hosts / 2},
			{"the first dc_server is lost, and the second takes over", second, hosts},
			{"the first is back after 10 s", first, 0},
		} {
			fmt.Fprintf(table, "| %s | %d | %d | %d | %v | %v |\n", row.name, hosts, row.q.total, row.q.peak, row.q.half.Round(ms), row.q.all.Round(ms))
			most := LossJitter + time.Duration(row.comes)*handshakeCost + 10*ms
			if row.comes > stormHandshake {
				most += 500 * ms // for those that were closed, and come again
			}
			if row.comes == 0 {
				most = stormRetry + time.Duration(hosts)*handshakeCost
			}
			if row.q.all > most {
				t.Errorf("%s, %d hosts: got all of them served after %v, want %v", row.name, hosts, row.q.all, most)
			}
		}
		if hosts >= 100 && second.peak > hosts/3 {
			t.Errorf("the second takes over, %d hosts: got %d attempts in 10 ms, want %d at most", hosts, second.peak, hosts/3)
		}
		if hosts >= 100 && first.peak > hosts/8 {
			t.Errorf("the first is back, %d hosts: got %d attempts in 10 ms, want %d at most", hosts, first.peak, hosts/8)
		}
	}
	t.Log(table)
}
