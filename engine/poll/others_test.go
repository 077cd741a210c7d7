package poll

import (
	"os"
	"runtime"
	"testing"
	"time"

	"distcache/engine/socket"

	"golang.org/x/sys/unix"
)

// TestOthersRunWhileTheLoopIsBusy: a goroutine that waits for a network connection gets its turn
// although the loop, with the only processor, never sleeps, or only for moments.
func TestOthersRunWhileTheLoopIsBusy(t *testing.T) {
	for name, pause := range map[string]time.Duration{"never sleeps": 1, "sleeps for moments": 50 * time.Microsecond} {
		t.Run(name, func(t *testing.T) { othersRun(t, pause) })
	}
}

// othersRun has the loop wake up after each pause. In its thousandth turn it writes what another
// goroutine waits for.
func othersRun(t *testing.T, pause time.Duration) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	r := run(t, nil)
	other := pair(t)
	if err := unix.SetNonblock(other.own, true); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(other.own), "other")
	defer f.Close()
	read := make(chan error, 1)
	go func() {
		_, err := f.Read(make([]byte, 1))
		read <- err
	}()
	turns, stopped := 0, false
	r.do(func() {
		var timer *Timer
		timer, err := r.NewTimer(func() {
			if turns++; turns == 1000 {
				_, _ = socket.Write(other.polled, []byte("y"))
			}
			if !stopped {
				_ = timer.Set(pause)
			}
		})
		if err == nil {
			err = timer.Set(200 * time.Millisecond) // not at once: until then all of Go's threads sleep
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err := receive(t, read, "what another goroutine reads"); err != nil {
		t.Error(err)
	}
	r.do(func() { stopped = true })
}

// TestSharedLoopRests: where other goroutines work for the loop, its thread does not wait by itself.
func TestSharedLoopRests(t *testing.T) {
	p, err := Open(Hooks{AfterEvent: func() {}, TurnEnd: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	p.Share()
	w := p.waiter
	w.short, w.rested = briskAfter, time.Now() // as after many short sleeps
	time.AfterFunc(100*time.Microsecond, func() { _ = p.Post(func() {}) })
	if _, err := w.wait(); err != nil {
		t.Fatal(err)
	}
	if w.slept.IsZero() {
		t.Error("the thread waited by itself")
	}
	_ = p.Stop()
	if err := p.Run(); err != nil {
		t.Error(err)
	}
}
