package kit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"distcache/codec"
)

// loadPatience is how long a client of a Load waits for an answer before it counts as hung.
const loadPatience = time.Minute

// Load is clients with lasting connections that ask all the time, each for a session of its
// own, and check every answer: their own data, NOTOK or DISCONNECTED, for their own uid.
type Load struct {
	t       testing.TB
	at      Endpoint
	pause   time.Duration
	quit    chan struct{}
	stop    sync.Once
	running sync.WaitGroup

	mu       sync.Mutex
	answers  []Outcome
	failures []error
}

// Outcome is what became of one request of a Load.
type Outcome struct {
	Asked  time.Time
	Took   time.Duration
	Served bool // by dc_server, and not DISCONNECTED
}

// Beside other tests, whose CPU they would take, clients of a Load that pause do so for calmer times as
// long, and for calmest at least.
const (
	calmer  = 4
	calmest = 20 * time.Millisecond
)

// StartLoad starts that many clients, each of which pauses between an answer and the next
// request, longer where the tests are not Full. It ends with the test, or with Stop.
func StartLoad(t testing.TB, at Endpoint, clients int, pause time.Duration) *Load {
	t.Helper()
	if !Full() && pause > 0 {
		pause = max(calmer*pause, calmest)
	}
	l := &Load{t: t, at: at, pause: pause, quit: make(chan struct{})}
	for n := range clients {
		c := &loader{load: l, uid: uint32(n) << 16, id: fmt.Sprintf("session %d of the load", n)}
		c.data = bytes.Repeat([]byte(fmt.Sprintf("%d,", n)), 1+n*n%3000)
		l.running.Go(c.run)
	}
	t.Cleanup(l.end)
	return l
}

// Since gives what was asked at that time or later, and answered.
func (l *Load) Since(when time.Time) []Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []Outcome
	for _, o := range l.answers {
		if !o.Asked.Before(when) {
			found = append(found, o)
		}
	}
	return found
}

// FirstServed waits until a request that was asked at that time or later has been served,
// and gives how long after that time its answer came.
func (l *Load) FirstServed(within time.Duration, when time.Time) time.Duration {
	l.t.Helper()
	first := within
	Wait(l.t, within, "service", func() bool {
		for _, o := range l.Since(when) {
			if o.Served {
				first = min(first, o.Asked.Add(o.Took).Sub(when))
			}
		}
		return first < within
	})
	return first
}

// Stop ends the clients, and fails the test when an answer was wrong or did not come. It
// gives all outcomes.
func (l *Load) Stop() []Outcome {
	l.t.Helper()
	l.end()
	if err := errors.Join(l.failures[:min(5, len(l.failures))]...); err != nil {
		l.t.Errorf("got %d wrong answers, want none:\n%v", len(l.failures), err)
	}
	return l.answers
}

func (l *Load) end() {
	l.stop.Do(func() { close(l.quit) })
	l.running.Wait()
}

// Slowest is the longest that one of them took.
func Slowest(all []Outcome) time.Duration { return Quantile(all, 1) }

// Quantile is how long the share q of them took at the most; q is 0 to 1.
func Quantile(all []Outcome, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	var took []time.Duration
	for _, o := range all {
		took = append(took, o.Took)
	}
	slices.Sort(took)
	return took[min(len(took)-1, int(q*float64(len(took))))]
}

// loader is one client of a Load.
type loader struct {
	load *Load
	uid  uint32
	id   string
	data []byte
	add  bool // the session is not there
}

func (c *loader) run() {
	conn, err := Connect(c.load.at)
	if err != nil {
		c.load.fail(err)
		return
	}
	defer func() { _ = conn.Close() }()
	conn.SetPatience(loadPatience)
	for c.add = true; ; {
		select {
		case <-c.load.quit:
			return
		case <-time.After(c.load.pause):
		}
		if err := c.ask(conn); err != nil {
			c.load.fail(fmt.Errorf("uid %#x: %w", c.uid, err))
			return
		}
	}
}

func (c *loader) ask(conn *Conn) error {
	c.uid++
	request := Get(c.uid, c.id)
	if c.add {
		request = Add(c.uid, c.id, string(c.data), time.Hour)
	}
	began := time.Now()
	m, err := conn.Do(request)
	if err != nil {
		return err
	}
	if m.UID != c.uid || (m.Op == codec.OpAdd) != c.add {
		return fmt.Errorf("got the answer to %v of %#x", m.Op, m.UID)
	}
	served, err := c.judge(m.Payload(nil))
	c.load.note(Outcome{Asked: began, Took: time.Since(began), Served: served})
	return err
}

// judge says whether dc_server has answered, and what is wrong with the answer.
func (c *loader) judge(payload []byte) (served bool, err error) {
	status := codec.Status(0xff)
	if len(payload) == 1 {
		status = codec.Status(payload[0])
	}
	switch {
	case status == codec.StatusDisconnected:
		return false, nil
	case c.add && (status == codec.StatusOK || status == codec.StatusAddExists):
		c.add = false
	case !c.add && status == codec.StatusNotOK:
		c.add = true // a dc_server that was started again is empty
	case c.add:
		return true, fmt.Errorf("got %s for ADD, want a status", brief(payload))
	case !bytes.Equal(payload, c.data):
		return true, fmt.Errorf("not its own data: %s", Difference(payload, c.data))
	}
	return true, nil
}

func (l *Load) note(o Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = append(l.answers, o)
}

func (l *Load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, err)
}
