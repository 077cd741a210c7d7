package chaos

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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
