package process

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/daemon/service"
	"distcache/internal/test/kit"
)

// pauseMost is how long a garbage collection may stop a daemon.
const pauseMost = time.Millisecond

// TestR15ManyClientsAndNoCollections runs as many clients as descriptors allow, each asking for
// 4 KB again and again. dc_client has almost nothing to collect, and a collection does not stop
// it for long.
func TestR15ManyClientsAndNoCollections(t *testing.T) {
	const size = 4 << 10
	clients, rounds := 500, 8
	if kit.Full() {
		limit, _ := service.RaiseNofile(33_000)
		clients, rounds = min(limit-250, 33_000), 20
	}
	server, serverAt := programs()[1].start(t)
	p := program{path: kit.Tool("dc_client"), args: []string{"-server", serverAt.String(), "-timeout", "60000"}}
	at := kit.Unix(t)
	c := p.command("-listen", at.String())
	c.Env = []string{"GODEBUG=gctrace=1"}
	process := ready(c.Start(t))
	process.WaitStderr(patience, "connected to dc_server")
	data := strings.Repeat("x", size)
	first := kit.Dial(t, at)
	first.ExpectStatus(kit.Add(1, "session", data, time.Hour), codec.StatusOK)

	all := connectCrowd(t, at, clients)
	warm := askAll(t, all, data, 1)
	before := len(stops(t, process.Stderr()))
	asked := askAll(t, all, data, rounds)
	stopped := stops(t, process.Stderr())
	collected := (len(stopped) - before) / stopsEach
	t.Logf("%d clients: %d collections in %d requests; of all, the longest stop %v; p99.9 of the first requests %v, of the others %v",
		clients, collected, len(asked), longest(stopped), kit.Quantile(warm, 0.999), kit.Quantile(asked, 0.999))
	if most := 1 + len(asked)/100_000; collected > most {
		t.Errorf("got %d collections in %d requests, want %d at most", collected, len(asked), most)
	}
	if longest(stopped) > pauseMost {
		kit.TooSlow(t, "got dc_client stopped for %v, want %v at most", longest(stopped), pauseMost)
	}
	mustEnd(t, process)
	mustEnd(t, server)
}

// askAll has each client ask that often, some at a time.
func askAll(t *testing.T, clients []*kit.Conn, data string, rounds int) (all []kit.Outcome) {
	t.Helper()
	const lanes = 16
	var mu sync.Mutex
	var running sync.WaitGroup
	errs := make([]error, lanes)
	for lane := range lanes {
		running.Go(func() {
			var mine []kit.Outcome
			for range rounds {
				for n := lane; n < len(clients) && errs[lane] == nil; n += lanes {
					began := time.Now()
					errs[lane] = askFor(clients[n], uint32(n), data)
					mine = append(mine, kit.Outcome{Asked: began, Took: time.Since(began), Served: true})
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return all
}

func askFor(c *kit.Conn, uid uint32, data string) error {
	m, err := c.Do(kit.Get(uid, "session"))
	if err != nil {
		return err
	}
	if got := m.Payload(nil); m.UID != uid || string(got) != data {
		return fmt.Errorf("got %d bytes for %#x, want %d for %#x", len(got), m.UID, len(data), uid)
	}
	return nil
}

// stopsEach is how often a collection stops the process: before it marks, and after.
const stopsEach = 2

// stops gives how long the collections stopped the process, by GODEBUG=gctrace=1.
func stops(t *testing.T, stderr string) (all []time.Duration) {
	t.Helper()
	line := regexp.MustCompile(`(?m)^gc \d+ @.*: ([\d.]+)\+[\d.]+\+([\d.]+) ms clock`)
	for _, found := range line.FindAllStringSubmatch(stderr, -1) {
		for _, text := range found[1:] {
			ms, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatalf("got %q, want milliseconds", found[0])
			}
			all = append(all, time.Duration(ms*float64(time.Millisecond)))
		}
	}
	return all
}

func longest(all []time.Duration) time.Duration { return slices.Max(append(all, 0)) }
