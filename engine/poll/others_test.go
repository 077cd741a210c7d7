package poll

import (
	"os"
	"runtime"
	"testing"
	"time"

	"distcache/engine/socket"
	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// TestOthersRunWhileTheLoopIsBusy: a goroutine that waits for a network connection gets its turn
// although the loop, with the only processor, never sleeps, or only for moments, or did so until
// nothing came any more.
func TestOthersRunWhileTheLoopIsBusy(t *testing.T) {
	t.Run("never sleeps", func(t *testing.T) { othersRun(t, 1, false) })
	t.Run("sleeps for moments", func(t *testing.T) { othersRun(t, 50*time.Microsecond, false) })
	t.Run("falls silent", func(t *testing.T) { othersRun(t, 50*time.Microsecond, true) })
}

// othersRun has the loop wake up after each pause. In its thousandth turn it writes what another
// goroutine waits for, and is silent after that, or not.
func othersRun(t *testing.T, pause time.Duration, silent bool) {
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
				stopped = silent
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

// TestBriskSleeps: after short sleeps the thread sleeps by itself until the bell rings, but not where
// other goroutines work for the loop.
func TestBriskSleeps(t *testing.T) {
	for name, shared := range map[string]bool{"alone": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			p, err := Open(Hooks{AfterEvent: func() {}, TurnEnd: func() {}})
			if err != nil {
				t.Fatal(err)
			}
			if shared {
				p.ShareProcessor()
			}
			w := p.waiter
			wait := func() {
				events, err := w.wait()
				if err != nil {
					t.Fatal(err)
				}
				p.dispatch(events)
			}
			w.short = briskAfter   // as after many short sleeps
			for w.slept.IsZero() { // on a busy machine there is something before it sleeps
				time.AfterFunc(shortSleep/10, func() { _ = p.Post(func() {}) })
				wait()
			}
			if want := !shared && w.short > briskAfter; w.brisk != want {
				t.Errorf("after a sleep, %d of them short: brisk: got %t, want %t", w.short, w.brisk, want)
			}
			for deadline := time.Now().Add(kit.Patience); w.brisk && time.Now().Before(deadline); {
				wait()
			}
			if w.brisk {
				t.Error("the bell did not ring")
			}
			_ = p.Stop()
			if err := p.Run(); err != nil {
				t.Error(err)
			}
		})
	}
}
