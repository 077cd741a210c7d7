package network

import (
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestN06SlowLink has a link of 64 kbit/s with a queue of 400 ms: everything arrives, and
// small requests get their turn between large ones of another client.
func TestN06SlowLink(t *testing.T) {
	t.Parallel()
	kit.NeedFull(t, "compares times on a slow link")
	if _, err := exec.LookPath("tc"); err != nil {
		t.Skipf("no tc(8): %v", err)
	}
	for _, mtu := range []int{1500, 576} {
		t.Run(fmt.Sprintf("MTU %d", mtu), func(t *testing.T) {
			t.Parallel()
			n := newLAN(t)
			for _, ns := range []string{n.client, n.server} {
				n.ip("-n", ns, "link", "set", wire, "mtu", fmt.Sprint(mtu))
			}
			n.startServer()
			_, at := n.startClient("-timeout=60000")
			if out, err := exec.Command("tc", "-n", n.client, "qdisc", "add", "dev", wire, "root", "tbf",
				"rate", "64kbit", "burst", "1600", "latency", "400ms").CombinedOutput(); err != nil {
				t.Skipf("no tbf on this kernel: %v\n%s", err, out)
			}
			load := kit.StartLoad(t, at, 3, 50*time.Millisecond)
			client := kit.Dial(t, at)
			client.SetPatience(time.Minute)
			large := strings.Repeat("0123456789abcdef", 1024) // 2 s at that rate
			began := time.Now()
			for round := range uint32(2) {
				id := fmt.Sprint("large ", round)
				client.ExpectStatus(kit.Add(round, id, large, time.Hour), codec.StatusOK)
				if got := string(client.Answer(kit.Get(round, id))); got != large {
					t.Errorf("got %d bytes, want the %d that were added", len(got), len(large))
				}
			}
			small := load.Since(began)
			load.Stop()
			t.Logf("two sessions of 16 KB took %v, %d small requests meanwhile, the slowest took %v",
				time.Since(began), len(small), kit.Slowest(small))
			if time.Since(began) < 3*time.Second {
				t.Errorf("got it all through in %v, which no link of 64 kbit/s does", time.Since(began))
			}
			for _, o := range small {
				if !o.Served {
					t.Error("got DISCONNECTED, want every small request served")
				}
			}
			if len(small) < 6 || kit.Slowest(small) > time.Since(began)/3*2 {
				t.Errorf("got %d small requests served, the slowest in %v, want each to wait for one large at the most",
					len(small), kit.Slowest(small))
			}
		})
	}
}

// resend is the least that Linux waits before it sends a lost packet again.
const resend = 200 * time.Millisecond

// TestN11LossIsLatency simulates packet loss: delays change all the time, up to those of a
// retransmission. Requests take longer, and nothing else happens.
func TestN11LossIsLatency(t *testing.T) {
	t.Parallel()
	random := kit.Random(t)
	up := kit.NewUpstream(t, kit.Loopback())
	way := kit.NewProxy(t, up.Endpoint())
	_, at := kit.NewRig(t).Client(way.Endpoint(), "-timeout=60000")
	load := kit.StartLoad(t, at, 20, 5*time.Millisecond)
	var resuming sync.WaitGroup
	steps := 150
	if !kit.Full() {
		steps = 50
	}
	for _, lost := range []float64{0.01, 0.1} {
		for range steps {
			for _, lane := range []*kit.Lane{way.Up, way.Down} {
				lane.Delay(time.Duration(random.IntN(5)) * time.Millisecond)
				if random.Float64() < lost {
					lane.Pause() // what comes behind waits too, until it was sent again
					resuming.Go(func() { time.Sleep(resend); lane.Resume() })
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	resuming.Wait()
	way.Up.Delay(0)
	way.Down.Delay(0)
	all := load.Stop()
	t.Logf("%d requests, median %v, p99 %v", len(all), kit.Quantile(all, 0.5), kit.Quantile(all, 0.99))
	for _, o := range all {
		if !o.Served {
			t.Fatal("got DISCONNECTED, want every request served, late or not")
		}
	}
	if kit.Quantile(all, 0.99) < 50*time.Millisecond || len(all) < 500 {
		kit.TooSlow(t, "got %d requests with a p99 of %v, want a way that delays some of many", len(all), kit.Quantile(all, 0.99))
	}
	if way.Conns() != 1 {
		t.Errorf("got %d connections, want the first to have lasted", way.Conns())
	}
}

// TestN17NoWaitingForAcknowledgements sends small and large requests over TCP, one at a time. A
// wait for an acknowledgement (40 ms or 200 ms) would show.
func TestN17NoWaitingForAcknowledgements(t *testing.T) {
	t.Parallel()
	jitter := kit.MeasureJitter(t)
	_, where := kit.NewRig(t).Server("-listen", kit.Loopback().String())
	_, at := kit.NewRig(t).Client(where)
	client := kit.Dial(t, at)
	var all []kit.Outcome
	count := uint32(600)
	if !kit.Full() {
		count = 100
	}
	for n := range count {
		data := strings.Repeat("x", []int{20, 2048, 2100, 10000, 30000}[n%5])
		id := fmt.Sprint("session ", n)
		for _, request := range [][]byte{kit.Add(n, id, data, time.Hour), kit.Get(n, id)} {
			began := time.Now()
			client.Answer(request)
			all = append(all, kit.Outcome{Asked: began, Took: time.Since(began)})
		}
	}
	t.Logf("median %v, p99 %v, slowest %v", kit.Quantile(all, 0.5), kit.Quantile(all, 0.99), kit.Slowest(all))
	jitter.MustTake(t, "median", kit.Quantile(all, 0.5), 0, 10*time.Millisecond)
	jitter.MustTake(t, "p99", kit.Quantile(all, 0.99), 0, 20*time.Millisecond)
}
