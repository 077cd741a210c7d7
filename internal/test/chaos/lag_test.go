package chaos

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec"
)

const (
	// lagStep is how often each probe wants to run.
	lagStep = time.Millisecond
	// lagNoted is the least lateness that is worth to remember.
	lagNoted = 2 * time.Millisecond
	// lagFactor is how often one request may have met the lateness of its time: it passes
	// through three processes at most, there and back.
	lagFactor = 6
)

// lag measures how late this machine is: probes that want to run every millisecond, one
// thread on each processor and one goroutine, note by how much they were kept from it.
type lag struct {
	clock clock
	quit  chan struct{}
	done  sync.WaitGroup
	mu    sync.Mutex
	notes []lateness
	worst int64
}

// lateness is a time in which a probe did not run though it should have.
type lateness struct{ from, to int64 }

func measureLag(t testing.TB, c clock) *lag {
	l := &lag{clock: c, quit: make(chan struct{})}
	l.done.Go(func() { l.probe(time.Sleep) })
	for cpu := range runtime.NumCPU() {
		l.done.Go(func() {
			runtime.LockOSThread() // the thread ends with the goroutine: it stays bound
			var set unix.CPUSet
			set.Set(cpu)
			_ = unix.SchedSetaffinity(0, &set) // one that may not be used is measured unbound
			l.probe(func(d time.Duration) {
				step := unix.NsecToTimespec(int64(d))
				_ = unix.Nanosleep(&step, nil) // a signal cuts it short, which does no harm
			})
		})
	}
	t.Cleanup(l.stop)
	return l
}

func (l *lag) probe(sleep func(time.Duration)) {
	for last := l.clock.now(); ; {
		select {
		case <-l.quit:
			return
		default:
		}
		sleep(lagStep)
		now := l.clock.now()
		if now-last > int64(lagStep+lagNoted) {
			l.note(lateness{last + int64(lagStep), now})
		}
		last = now
	}
}

func (l *lag) note(n lateness) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes = append(l.notes, n)
	l.worst = max(l.worst, n.to-n.from)
}

// stop ends the probes. Stopping again does nothing.
func (l *lag) stop() {
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
	l.done.Wait()
}

// allowance is what a request from call to ret is forgiven.
func (l *lag) allowance(call, ret int64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	worst := int64(0)
	for _, n := range l.notes {
		if n.from <= ret && n.to >= call {
			worst = max(worst, n.to-n.from)
		}
	}
	return lagFactor * time.Duration(worst)
}

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
