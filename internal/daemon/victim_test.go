package daemon

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// victim is an honest client that must not notice anything: it adds sessions of its own
// and gets them back, now over one connection, now over a new one.
type victim struct {
	at   kit.Endpoint
	quit chan struct{}
	end  chan error
	asks atomic.Uint32
}

// leastAsks is how often a victim asks, the attack may be over as soon as it likes.
const leastAsks = 20

func startVictim(at kit.Endpoint) *victim {
	v := &victim{at: at, quit: make(chan struct{}), end: make(chan error, 1)}
	go func() { v.end <- v.run() }()
	return v
}

func (v *victim) run() error {
	lasting, err := kit.Connect(v.at)
	if err != nil {
		return err
	}
	defer func() { _ = lasting.Close() }()
	for n := 0; ; n++ {
		select {
		case <-v.quit:
			if v.asks.Load() >= leastAsks {
				return nil
			}
		default:
		}
		id, data := fmt.Sprint("victim ", n), strings.Repeat(fmt.Sprint(n, " "), 1+n%900)
		if err := v.addAndGet(lasting, id, data); err != nil {
			return fmt.Errorf("after %d requests: %w", v.asks.Load(), err)
		}
		time.Sleep(kit.Sized(5*time.Millisecond, 0))
	}
}

// addAndGet adds over the lasting connection and gets over a new one.
func (v *victim) addAndGet(lasting *kit.Conn, id, data string) error {
	uid := v.asks.Add(1)
	if err := lasting.Write(kit.Add(uid, id, data, time.Minute)); err != nil {
		return err
	}
	if err := mustAnswer(lasting, uid, codec.OpAdd, codec.StatusOK); err != nil {
		return err
	}
	passing, err := kit.Connect(v.at)
	if err != nil {
		return err
	}
	defer func() { _ = passing.Close() }()
	uid = v.asks.Add(1)
	m, err := passing.Do(kit.Get(uid, id))
	if err != nil {
		return err
	}
	if m.UID != uid || m.Op != codec.OpGet || string(m.Payload(nil)) != data {
		return fmt.Errorf("got %v %#x with %d bytes, want GET %#x with the %d bytes that were added",
			m.Op, m.UID, m.PayloadLen, uid, len(data))
	}
	return nil
}

// mustBeWell ends it, and holds that each of its requests was answered as it should be.
func (v *victim) mustBeWell(t *testing.T) {
	t.Helper()
	close(v.quit)
	if err := <-v.end; err != nil {
		t.Errorf("the victim: %v", err)
	}
}
