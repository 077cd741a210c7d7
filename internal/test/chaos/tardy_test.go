package chaos

import (
	"sync"
	"testing"
	"time"

	"distcache/codec"
)

// grace is how much longer than its timeout a request may take.
const grace = 50 * time.Millisecond

// interval is when a client waited for an answer.
type interval struct {
	call, ret int64
	client    int
	op        codec.Op
}

func (i interval) length() time.Duration { return time.Duration(i.ret - i.call) }

// tardy keeps the requests that took longer than they may, until the machine's lateness
// at the time is known for certain.
type tardy struct {
	limit time.Duration

	mu      sync.Mutex
	all     []interval
	slowest interval
}

func (l *tardy) add(i interval) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i.length() > l.slowest.length() {
		l.slowest = i
	}
	if i.length() > l.limit {
		l.all = append(l.all, i)
	}
}

// worst is how long the slowest request took.
func (l *tardy) worst() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.slowest.length()
}

// judge holds them against the lateness of their time, and gives how many it excused.
func (l *tardy) judge(machine *lag, to *ledger) (excused int) {
	for _, i := range l.all {
		allowed := machine.allowance(i.call, i.ret)
		if i.length() <= l.limit+allowed {
			excused++
			continue
		}
		to.violate(late, "client %d: %v took %v, want %v and %v for what the machine was late; %v after the start",
			i.client, i.op, i.length(), l.limit, allowed, time.Duration(i.call))
	}
	return excused
}

func TestTardyAllowsForTheMachineAlone(t *testing.T) {
	const ms = int64(time.Millisecond)
	machine := &lag{}
	machine.note(lateness{1000 * ms, 1020 * ms})
	tests := []struct {
		name          string
		call, ret     int64
		excused, late int
	}{
		{"in time", 0, 250 * ms, 0, 0},
		{"too long", 0, 251 * ms, 0, 1},
		{"while the machine was late", 900 * ms, 1270 * ms, 1, 0},
		{"longer than that", 900 * ms, 1271 * ms, 0, 1},
		{"before it was late", 700 * ms, 999 * ms, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, to := &tardy{limit: 250 * time.Millisecond}, &ledger{}
			l.add(interval{call: tt.call, ret: tt.ret})
			excused := l.judge(machine, to)
			if got := int(to.counts[late].Load()); excused != tt.excused || got != tt.late {
				t.Errorf("got %d excused, %d late, want %d, %d", excused, got, tt.excused, tt.late)
			}
		})
	}
}
