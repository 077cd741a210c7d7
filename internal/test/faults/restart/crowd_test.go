package restart

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// crowd is short-lived clients: each connects, asks, reads the answer and leaves, as
// libdistcache does, again and again.
type crowd struct {
	at      kit.Endpoint
	quit    chan struct{}
	running sync.WaitGroup

	answered atomic.Int64 // by dc_server
	failed   atomic.Int64 // DISCONNECTED
	refused  atomic.Int64 // connects
	moved    atomic.Int64 // to another connection
	late     atomic.Int64 // asked too late to be owed an answer
	lost     chan error   // requests without an answer, and wrong answers
}

// clientPause is the time between two operations of one client.
const clientPause = 2 * time.Millisecond

// lateAfter is how long after its connect a client may ask and still be owed an answer by
// a daemon that ends: half of the quiet time for which the daemon waits.
const lateAfter = 25 * time.Millisecond

func startCrowd(at kit.Endpoint, clients int) *crowd {
	c := &crowd{at: at, quit: make(chan struct{}), lost: make(chan error, clients)}
	for n := range clients {
		c.running.Go(func() { c.run(uint32(n) << 20) })
	}
	return c
}

func (c *crowd) run(uid uint32) {
	for ; ; uid++ {
		select {
		case <-c.quit:
			return
		case <-time.After(clientPause):
		}
		if err := c.operate(uid); err != nil {
			c.lost <- err
			return
		}
	}
}

// operate does one operation, and gives an error for what must never happen.
func (c *crowd) operate(uid uint32) error {
	began := time.Now()
	conn, err := kit.Connect(c.at)
	if err != nil {
		c.refused.Add(1)
		return nil
	}
	defer func() { _ = conn.Close() }()
	conn.SetPatience(patience)
	sent := conn.Write(kit.Have(uid, "nobody's"))
	late := time.Since(began) > lateAfter
	m, err := conn.ReadMessage()
	if err := errors.Join(sent, err); err != nil {
		return c.unanswered(uid, late, err)
	}
	status, err := codec.ParseStatus(m)
	switch {
	case err != nil || m.UID != uid || m.Op != codec.OpHave:
		return fmt.Errorf("request %#x got the answer to %v %#x (%v)", uid, m.Op, m.UID, err)
	case status == codec.StatusNotOK:
		c.answered.Add(1)
	case status == codec.StatusDisconnected:
		c.failed.Add(1)
	default:
		return fmt.Errorf("request %#x got %v", uid, status)
	}
	return nil
}

func (c *crowd) unanswered(uid uint32, late bool, err error) error {
	if late && errors.Is(err, syscall.EPIPE) {
		c.late.Add(1)
		return nil
	}
	return fmt.Errorf("request %#x got no answer: %w", uid, err)
}

// mustGoOn waits until that many more have been answered by dc_server.
func (c *crowd) mustGoOn(t *testing.T, more int64) {
	t.Helper()
	want := c.answered.Load() + more
	kit.Wait(t, patience, "answers", func() bool { return c.answered.Load() >= want })
}

// mustEnd ends the clients, and holds that none was left without its answer.
func (c *crowd) mustEnd(t *testing.T) {
	t.Helper()
	close(c.quit)
	c.running.Wait()
	close(c.lost)
	for err := range c.lost {
		t.Errorf("got %v, want every accepted request answered", err)
	}
	t.Logf("%d answered, %d DISCONNECTED, %d refused, %d too late", c.answered.Load(), c.failed.Load(), c.refused.Load(), c.late.Load())
}
