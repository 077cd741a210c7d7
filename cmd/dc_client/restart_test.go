package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

const (
	restartRetry   = 400 * time.Millisecond
	restartTimeout = 200 * time.Millisecond
	// pause is how long a client lets pass between two operations, on average: 500 of
	// them leave some time to a machine of two cores.
	pause = 100 * time.Millisecond
)

// TestRestartUnderLoad kills a dc_server (kill -9) and starts it again, several times,
// under many short-lived clients. None hangs, none gets what is another's; while it is
// gone all are answered at once, and it is used again within one period of -retry.
func TestRestartUnderLoad(t *testing.T) {
	clients, restarts := 60, 2
	if kit.Full() {
		clients, restarts = 500, 4
	}
	jitter := measure(t)
	where := freePort(t)
	server := startServer(t, where)
	process, at := startLinked(t, where, "-retry", fmt.Sprint(restartRetry.Milliseconds()),
		"-timeout", fmt.Sprint(restartTimeout.Milliseconds()))
	crowd := startCrowd(t, at, clients)
	for n := range restarts {
		time.Sleep(300 * time.Millisecond)
		crowd.mustHit(t)
		server.Kill()
		gone := time.Now()
		time.Sleep(time.Duration(100+150*n) * time.Millisecond)
		crowd.mustFailAtOnce(t, jitter, gone)
		server = startServer(t, where)
		back := time.Now()
		took := crowd.firstServed(t, back).Sub(back)
		jitter.MustTake(t, "service", took, 0, restartRetry+2*kit.Promptly)
	}
	crowd.mustEnd(t, jitter)
	if !process.Running() {
		t.Error("got the end of dc_client, want it to go on")
	}
	mustEnd(t, process)
}

// freePort is a port on which nothing listens. A dc_server finds it, as a socket of this
// process could live on for a moment in a child that is just being made.
func freePort(t *testing.T) kit.Endpoint {
	t.Helper()
	server := startServer(t, kit.Loopback())
	_, rest, _ := strings.Cut(server.Stderr(), " ready listen=IP:")
	address, _, _ := strings.Cut(rest, " ")
	mustEnd(t, server)
	return kit.Endpoint{Network: "tcp", Address: address}
}

// crowd is short-lived clients: each connects, asks, checks the answer, and leaves, again
// and again.
type crowd struct {
	at      kit.Endpoint
	quit    chan struct{}
	running sync.WaitGroup

	mu       sync.Mutex
	answers  []answer
	failures []error
	hits     atomic.Int64
}

// answer is what became of one operation.
type answer struct {
	asked  time.Time
	took   time.Duration
	served bool // by dc_server
}

func startCrowd(t *testing.T, at kit.Endpoint, clients int) *crowd {
	random := kit.Random(t)
	c := &crowd{at: at, quit: make(chan struct{})}
	for n := range clients {
		one := &customer{crowd: c, number: n, random: rand.New(rand.NewPCG(random.Uint64(), 0)), kept: map[string]string{}}
		c.running.Go(one.run)
	}
	return c
}

// customer is one of the crowd.
type customer struct {
	crowd  *crowd
	number int
	random *rand.Rand
	asked  uint32
	kept   map[string]string // sessions that it has added, unless they got lost
}

func (c *customer) run() {
	for {
		select {
		case <-c.crowd.quit:
			return
		case <-time.After(time.Duration(c.random.Int64N(int64(2 * pause)))):
		}
		if err := c.operate(); err != nil {
			c.crowd.fail(fmt.Errorf("client %d, request %d: %w", c.number, c.asked, err))
		}
	}
}

// operate does one operation on a connection of its own.
func (c *customer) operate() error {
	c.asked++
	uid := uint32(c.number)<<16 | c.asked&0xffff
	request, check := c.choose(uid)
	began := time.Now()
	conn, err := kit.Connect(c.crowd.at)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	m, err := conn.Do(request)
	took := time.Since(began)
	if err != nil {
		return err
	}
	if m.UID != uid {
		return fmt.Errorf("got the answer to %#x, want that to %#x", m.UID, uid)
	}
	payload := m.Payload(nil)
	served := len(payload) != 1 || codec.Status(payload[0]) != codec.StatusDisconnected
	c.crowd.note(answer{began, took, served})
	if !served {
		return nil
	}
	return check(m.Op, payload)
}

// choose makes a request, and what its answer from dc_server must be.
func (c *customer) choose(uid uint32) (request []byte, check func(codec.Op, []byte) error) {
	for id, data := range c.kept {
		delete(c.kept, id)
		return kit.Get(uid, id), func(op codec.Op, got []byte) error {
			lost := len(got) == 1 && codec.Status(got[0]) == codec.StatusNotOK // in a restart
			if op != codec.OpGet || !lost && string(got) != data {
				return fmt.Errorf("got %v and %d bytes (%.20q), want GET and the %d of %s", op, len(got), got, len(data), id)
			}
			if !lost {
				c.crowd.hits.Add(1)
			}
			return nil
		}
	}
	id := fmt.Sprintf("session %d of client %d", c.asked, c.number)
	data := strings.Repeat(id+"; ", 1+c.random.IntN(100))
	return kit.Add(uid, id, data, time.Hour), func(op codec.Op, got []byte) error {
		if op != codec.OpAdd || len(got) != 1 || codec.Status(got[0]) != codec.StatusOK {
			return fmt.Errorf("got %v and % x, want ADD and OK", op, got)
		}
		c.kept[id] = data
		return nil
	}
}

func (c *crowd) note(a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers = append(c.answers, a)
}

func (c *crowd) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = append(c.failures, err)
}

// since is the answers to what was asked after that time.
func (c *crowd) since(when time.Time) []answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []answer
	for _, a := range c.answers {
		if a.asked.After(when) {
			found = append(found, a)
		}
	}
	return found
}

// mustHit waits for sessions that come back as they were added.
func (c *crowd) mustHit(t *testing.T) {
	t.Helper()
	before := c.hits.Load()
	kit.Wait(t, patience, "hits", func() bool { return c.hits.Load() > before+20 })
}

// mustFailAtOnce holds what is answered while dc_server is gone.
func (c *crowd) mustFailAtOnce(t *testing.T, j timing, gone time.Time) {
	t.Helper()
	kit.Wait(t, patience, "failures", func() bool { return len(c.since(gone)) > 20 })
	for _, a := range c.since(gone) {
		if a.served {
			t.Errorf("got an answer of dc_server %v after its end, want none", a.asked.Sub(gone))
		}
		j.MustTake(t, "failure", a.took, 0, kit.Promptly)
	}
}

// firstServed waits for an answer of dc_server to what was asked after that time, and
// gives when it came.
func (c *crowd) firstServed(t *testing.T, when time.Time) (first time.Time) {
	t.Helper()
	kit.Wait(t, patience, "service", func() bool {
		for _, a := range c.since(when) {
			if came := a.asked.Add(a.took); a.served && (first.IsZero() || came.Before(first)) {
				first = came
			}
		}
		return !first.IsZero()
	})
	return first
}

// mustEnd ends the clients, and holds that each request was answered in time and rightly.
func (c *crowd) mustEnd(t *testing.T, j timing) {
	t.Helper()
	close(c.quit)
	c.running.Wait()
	if err := errors.Join(c.failures[:min(5, len(c.failures))]...); err != nil {
		t.Errorf("got %d failures, want none:\n%v", len(c.failures), err)
	}
	worst, served := time.Duration(0), 0
	for _, a := range c.answers {
		worst = max(worst, a.took)
		if a.served {
			served++
		}
	}
	t.Logf("%d requests, %d served, %d hits, the longest took %v", len(c.answers), served, c.hits.Load(), worst)
	j.MustTake(t, "the slowest answer", worst, 0, restartTimeout+kit.Promptly)
}
