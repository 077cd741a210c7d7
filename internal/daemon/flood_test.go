package daemon

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"distcache/bench/procfs"
	"distcache/internal/test/kit"
)

const (
	// floodRound is how long a round floods one of the two processes; there are floodRounds for each.
	floodRound  = 2 * time.Second
	floodRounds = 9
	// floodCost is the part more of its CPU time for each answer that a flood may cost a daemon.
	floodCost = 0.05
)

// TestScrapeFloodCostsTheLoopLittle floods -metrics of a dc_server with scrapes, and that of another
// one in turn, while clients ask the first one. What it takes of the CPU for each answer, the scrapes
// included, is about the same either way: so is the part of the loop.
func TestScrapeFloodCostsTheLoopLittle(t *testing.T) {
	kit.NeedFull(t, "compares CPU times")
	var processes [2]*kit.Process
	var at [2]string
	var serves kit.Endpoint
	for i := range at {
		processes[i], serves = kit.NewRig(t).Server("-metrics", "IP:127.0.0.1:0")
		at[i] = metricsAt.FindStringSubmatch(processes[i].Stderr())[1]
	}
	asked := processes[1]
	var answers atomic.Int64
	ask(t, serves, 8, &answers)
	var ratios []float64
	for round := range floodRounds {
		var cost [2]float64 // CPU time for each answer, in us
		var scraped, answered [2]int64
		for i := range at {
			before, cpu := answers.Load(), cpuOf(t, asked)
			scraped[i] = flood(t, at[i], floodRound)
			answered[i] = answers.Load() - before
			cost[i] = float64((cpuOf(t, asked) - cpu).Microseconds()) / float64(answered[i])
		}
		ratios = append(ratios, cost[1]/cost[0])
		t.Logf("round %d: %.1f us for each of %d answers with %d scrapes here, %.1f us for each of %d with %d at the other: %.3f times",
			round+1, cost[1], answered[1], scraped[1], cost[0], answered[0], scraped[0], ratios[round])
	}
	slices.Sort(ratios)
	median := ratios[len(ratios)/2]
	t.Logf("median %.3f, from %.3f to %.3f", median, ratios[0], ratios[len(ratios)-1])
	if median > 1+floodCost {
		kit.TooSlow(t, "an answer costs %.3f times as much CPU under a flood of scrapes, want at most %.2f", median, 1+floodCost)
	}
}

func cpuOf(t *testing.T, p *kit.Process) time.Duration {
	t.Helper()
	d, err := procfs.CPUTime(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// ask has clients ask without pause until the test ends.
func ask(t *testing.T, at kit.Endpoint, clients int, answers *atomic.Int64) {
	t.Helper()
	quit := make(chan struct{})
	var all sync.WaitGroup
	for range clients {
		c, err := kit.Connect(at)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer func() { _ = c.Close() }()
			for uid := uint32(1); ; uid++ {
				select {
				case <-quit:
					return
				default:
				}
				if _, err := c.Do(kit.Have(uid, "nobody's")); err != nil {
					t.Error(err)
					return
				}
				answers.Add(1)
			}
		})
	}
	t.Cleanup(func() {
		close(quit)
		all.Wait()
	})
}

// flood scrapes as often as it can, over 16 connections, of which 8 are served. It gives how many
// scrapes were answered.
func flood(t *testing.T, at string, long time.Duration) int64 {
	t.Helper()
	var answers atomic.Int64
	within, end := context.WithTimeout(context.Background(), long)
	defer end()
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			client := http.Client{Transport: &http.Transport{DialContext: new(net.Dialer).DialContext}}
			defer client.CloseIdleConnections()
			for within.Err() == nil {
				request, err := http.NewRequestWithContext(within, http.MethodGet, "http://"+at+"/metrics", nil)
				if err != nil {
					t.Error(err)
					return
				}
				answer, err := client.Do(request)
				if err != nil {
					continue // the end, or a connection that was closed for another one
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
				answers.Add(1)
			}
		})
	}
	all.Wait()
	return answers.Load()
}
