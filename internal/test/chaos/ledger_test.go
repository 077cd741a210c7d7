package chaos

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"distcache/codec"
)

// violation is a way to break a promise.
type violation int

const (
	crossed         violation = iota // an answer to another's request, or another's session
	leaked                           // bytes in a session's data that were not written there
	doubled                          // an answer to nothing
	unanswered                       // neither an answer nor the end of the connection
	hungUp                           // the connection of an honest client was refused or closed
	malformed                        // what no answer to that request can be
	late                             // later than the request timeout and 50 ms
	notLinearizable                  // no order explains the answers
	undecided                        // the checker gave up
	numViolations
)

func (v violation) String() string {
	return [...]string{"crossed", "leaked", "double", "unanswered", "hung up", "malformed", "late", "not linearizable", "undecided"}[v]
}

// mostTold is how many violations of a kind are told in full.
const mostTold = 3

// ledger counts what became of all requests. Any goroutine may write to it.
type ledger struct {
	outcomes    [lost + 1]atomic.Int64
	stored      atomic.Int64 // sessions
	hits        atomic.Int64 // GETs that found a session, each checked to the byte
	bytes       atomic.Int64 // in those
	leakedBytes atomic.Int64
	excused     atomic.Int64 // histories that nothing but a failover's losses explains
	lastAdds    atomic.Int64 // of witnesses, before a failover, answered OK
	lostAdds    atomic.Int64 // of these
	lastRemoves atomic.Int64
	undone      atomic.Int64
	rude        atomic.Int64 // clients that left before their answers, or within a request

	counts [numViolations]atomic.Int64
	mu     sync.Mutex
	told   [numViolations][]string
}

// violate notes that a promise was broken.
func (l *ledger) violate(v violation, format string, args ...any) {
	l.counts[v].Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.told[v]) < mostTold {
		l.told[v] = append(l.told[v], fmt.Sprintf(format, args...))
	}
}

// requests is how many there were.
func (l *ledger) requests() int64 {
	n := int64(0)
	for i := range l.outcomes {
		n += l.outcomes[i].Load()
	}
	return n
}

// judge fails the test when a promise was broken.
func (l *ledger) judge(t testing.TB) {
	t.Helper()
	for v := range numViolations {
		if n := l.counts[v].Load(); n > 0 {
			t.Errorf("%v: got %d, want none; the first:\n%s", v, n, strings.Join(l.told[v], "\n"))
		}
	}
}

// judge holds what one answer says against the request, and records it. It reports
// whether it came from dc_server.
func (c *client) judge(q *request, m codec.Message, call, ret int64) bool {
	o := operation{client: c.number, op: q.op, value: q.value, outcome: lost, call: call, ret: ret, epoch: anyEpoch}
	if m.UID != q.uid || m.Op != q.op {
		c.ledger.violate(crossed, "client %d asked %v with uid %#x, got %v with uid %#x", c.number, q.op, q.uid, m.Op, m.UID)
	} else if !c.read(q, m.Payload(nil), &o) {
		c.ledger.violate(malformed, "client %d: %v was answered with %d bytes, %.20x", c.number, q.op, m.PayloadLen, m.Payload(nil))
	}
	c.ledger.outcomes[o.outcome].Add(1)
	c.requests.Add(1)
	c.shelf.give(q.history, &o)
	return o.outcome < refused
}

// read tells the outcome from an answer's payload, and reports whether it can be one.
func (c *client) read(q *request, payload []byte, o *operation) bool {
	if q.op == codec.OpGet && len(payload) != 1 {
		o.outcome = yes
		o.value = c.inspect(q, payload)
		return true
	}
	if len(payload) != 1 {
		return false
	}
	switch s := codec.Status(payload[0]); {
	case s == codec.StatusOK && q.op != codec.OpGet:
		o.outcome = yes
		if q.op == codec.OpAdd {
			c.ledger.stored.Add(1)
		}
	case s == codec.StatusNotOK && q.op != codec.OpAdd, s == codec.StatusAddExists && q.op == codec.OpAdd:
		o.outcome = no
	case s == codec.StatusDisconnected:
		if o.outcome = refused; !c.shared {
			o.epoch = c.kills.begun()
		}
	default:
		return false
	}
	return true
}

// inspect checks each byte of a session that was found.
func (c *client) inspect(q *request, data []byte) value {
	v, ours, wrong := inspect(q.history.id, data)
	c.ledger.hits.Add(1)
	c.ledger.bytes.Add(int64(len(data)))
	switch {
	case !ours || !c.members(v.writer):
		c.ledger.violate(crossed, "client %d asked for %q, got a session that client %d added under another ID", c.number, q.history.id, v.writer)
	case wrong > 0:
		c.ledger.violate(leaked, "client %d asked for %q, got %d of %d bytes wrong", c.number, q.history.id, wrong, len(data))
	}
	c.ledger.leakedBytes.Add(int64(wrong))
	return v
}

// punctual notes a request that took long. Whether the machine was late is known later.
func (c *client) punctual(q *request, call, ret int64) {
	if c.honest {
		c.tardy.add(interval{call, ret, c.number, q.op})
	}
}

// abandon records requests that will have no answer.
func (c *client) abandon(asked []request, call, ret int64, err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.ledger.violate(unanswered, "client %d: neither an answer to %v nor the end within %v", c.number, asked[0].op, c.patience)
	} else if c.honest {
		c.ledger.violate(hungUp, "client %d: %d requests open: %v", c.number, len(asked), err)
	}
	for i := range asked {
		q := &asked[i]
		c.ledger.outcomes[lost].Add(1)
		c.requests.Add(1)
		c.shelf.give(q.history, &operation{
			client: c.number, op: q.op, value: q.value, outcome: lost, call: call, ret: ret, epoch: anyEpoch,
		})
	}
}
