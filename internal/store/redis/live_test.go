package redis

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/store"
	"distcache/internal/test/kit"
)

// liveTimeout is that of Stores whose servers hang, and patientTimeout that of the others: the machine may be busy.
const liveTimeout, patientTimeout = 150 * time.Millisecond, 20 * time.Second

// live is a Store with real connections, and a loop of its own.
type live struct {
	t       testing.TB
	timeout time.Duration
	store   *Store
	net     *Net
	began   time.Time
	queue   chan func()
	ended   sync.WaitGroup

	turn    bool                   // EndTurn was called
	waiting map[uint32]chan answer // loop only
	uid     uint32

	mu      sync.Mutex
	changes []Change
	found   [][]string
}

// newLive starts a Store at a location, and newPatient one that waits long for an answer.
func newLive(t testing.TB, location string) *live { return startLive(t, location, liveTimeout, nil) }

func newPatient(t testing.TB, location string) *live {
	return startLive(t, location, patientTimeout, nil)
}

func startLive(t testing.TB, location string, timeout time.Duration, change func(n *Net)) *live {
	t.Helper()
	at, err := ParseLocation(location)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Prefix: "t:", Timeout: timeout}
	l := &live{t: t, timeout: timeout, began: time.Now(), queue: make(chan func(), 1024), waiting: map[uint32]chan answer{}}
	l.net = NewNet(at, c, l)
	if change != nil {
		change(l.net)
	}
	l.store = New(c, l, l.net, l)
	l.store.Serve(l)
	quit := make(chan struct{})
	l.ended.Go(func() { l.run(quit) })
	_ = l.Post(func() { l.store.Start(l.Now()) })
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the store at %s told: %+v", location, l.all())
		}
		close(quit)
		l.ended.Wait()
		_ = l.store.Close()
	})
	return l
}

func (l *live) run(quit chan struct{}) {
	for {
		wait := time.NewTimer(min(l.store.Deadline()-l.Now(), time.Hour))
		select {
		case <-quit:
			return
		case fn := <-l.queue:
			fn()
		case <-wait.C:
			l.store.Expire(l.Now(), 1)
		}
		wait.Stop()
		if l.turn {
			l.turn = false
			l.store.Flush(l.Now())
		}
	}
}

// Post, EndTurn and Now implement Loop.
func (l *live) Post(fn func()) error { l.queue <- fn; return nil }
func (l *live) EndTurn()             { l.turn = true }
func (l *live) Now() time.Duration   { return time.Since(l.began) }

// StoreChanged and the like implement Observer.
func (l *live) StoreChanged(c Change, _ time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes = append(l.changes, c)
}

func (l *live) StoreFound(_ Mode, all []string, _ time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.found = append(l.found, all)
}

func (l *live) StoreNotFound(Kind, string, time.Duration) {}
func (l *live) NotOpened(error, time.Duration)            {}

// Answer and Evicted implement store.Answers.
func (l *live) Answer(t store.Ticket, op codec.Op, s codec.Status, data []byte, now time.Duration) {
	if ch := l.waiting[t.UID]; ch != nil {
		ch <- answer{op, s, string(data), now}
	} else {
		l.t.Errorf("request %d is answered twice", t.UID)
	}
	delete(l.waiting, t.UID)
}

func (l *live) Evicted(int, store.Full, time.Duration) {}

// start asks, and gives where the answer comes.
func (l *live) start(op codec.Op, id, data string, ttl time.Duration) chan answer {
	ch := make(chan answer, 2)
	_ = l.Post(func() {
		l.uid++
		l.waiting[l.uid] = ch
		l.store.Do(&store.Request{Ticket: store.Ticket{UID: l.uid}, Op: op, ID: []byte(id), Data: []byte(data), TTL: ttl}, l.Now())
	})
	return ch
}

// do asks, and waits for the answer, which comes in time.
func (l *live) do(op codec.Op, id, data string, ttl time.Duration) answer {
	l.t.Helper()
	began := time.Now()
	select {
	case a := <-l.start(op, id, data, ttl):
		if took := time.Since(began); took > l.timeout+50*time.Millisecond {
			kit.TooSlow(l.t, "got an answer after %v, want it within %v", took, l.timeout)
		}
		return a
	case <-time.After(kit.Patience):
		l.t.Fatalf("%v %q: no answer", op, id)
		return answer{}
	}
}

// must asks until the Store can be reached, and compares the status.
func (l *live) must(op codec.Op, id, data string, want codec.Status) answer {
	l.t.Helper()
	a := l.do(op, id, data, time.Hour)
	if a.status != want {
		l.t.Errorf("%v %q: got %v, want %v", op, id, a.status, want)
	}
	return a
}

// served waits until a request is served, and tells how long that took.
func (l *live) served() time.Duration {
	l.t.Helper()
	began := time.Now()
	kit.Wait(l.t, kit.Patience, "the store to serve", func() bool {
		return l.do(codec.OpHave, fmt.Sprint("served", l.uid), "", 0).status != codec.StatusDisconnected
	})
	return time.Since(began)
}

// told waits until the observer was told of a change to a kind.
func (l *live) told(k Kind) Change {
	l.t.Helper()
	var found Change
	kit.Wait(l.t, kit.Patience, "line about "+k.String(), func() (told bool) {
		found, told = l.changed(k)
		return told
	})
	return found
}

// changed gives the first change to a kind that the observer was told of.
func (l *live) changed(k Kind) (c Change, told bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.changes, func(c Change) bool { return c.Is == k }); i >= 0 {
		return l.changes[i], true
	}
	return Change{}, false
}

// all gives the changes that the observer was told of.
func (l *live) all() []Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.changes)
}
