package chaos

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
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
