package poll

import (
	"fmt"
	"testing"

	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// TestP3NoInterest pauses 1,000 descriptors that all have something to report, half of
// them even a hang-up: that costs nothing, and nothing is lost.
func TestP3NoInterest(t *testing.T) {
	const count = 1000
	r := run(t, nil)
	all := make([]ends, count)
	for i := range all {
		all[i] = pair(t)
		all[i].send(t, "x")
		if i%2 == 1 {
			_ = unix.Close(all[i].own)
			all[i].own = -1
		}
	}
	paused, resumed := 0, 0
	resuming := false
	r.do(func() {
		for _, e := range all {
			r.watch(e.polled, Read, func(Events) {
				if resuming {
					resumed++
				} else {
					paused++
				}
				if err := r.Watch(e.polled, None); err != nil {
					t.Errorf("pause descriptor %d: %v", e.polled, err)
				}
			})
		}
	})
	wait(t, "pause of all", func() bool {
		n := 0
		r.do(func() { n = paused })
		return n == count
	})
	kit.MustIdle(t, kit.OwnCPU, 0.01)
	r.do(func() {
		if paused != count {
			t.Errorf("calls before the pauses end: got %d, want %d", paused, count)
		}
		resuming = true
		for _, e := range all {
			if err := r.Watch(e.polled, Read); err != nil {
				t.Errorf("resume descriptor %d: %v", e.polled, err)
			}
		}
	})
	wait(t, "event for each that was resumed", func() bool {
		n := 0
		r.do(func() { n = resumed })
		return n == count
	})
	r.do(func() {
		for _, e := range all {
			r.Close(e.polled)
		}
	})
	for _, e := range all {
		_ = unix.Close(e.own)
	}
}

// TestNoInterestWithinATurn pauses a descriptor whose event is in the same batch.
func TestNoInterestWithinATurn(t *testing.T) {
	r := run(t, nil)
	a, b := pair(t), pair(t)
	defer a.close()
	defer b.close()
	a.send(t, "x")
	b.send(t, "x")
	calls := 0
	pauseBoth := func(Events) {
		calls++
		_ = r.Watch(a.polled, None)
		_ = r.Watch(b.polled, None)
	}
	r.do(func() {
		r.watch(a.polled, Read, pauseBoth)
		r.watch(b.polled, Read, pauseBoth)
	})
	wait(t, "call", func() bool {
		n := 0
		r.do(func() { n = calls })
		return n > 0
	})
	r.do(func() {})
	r.do(func() {
		if calls != 1 {
			t.Errorf("calls: got %d, want 1: the other descriptor was paused before its event", calls)
		}
	})
}

// TestChangesOfInterest goes from each interest to each and sees what is reported.
func TestChangesOfInterest(t *testing.T) {
	names := []string{"None", "Read", "Write", "ReadWrite"}
	for from := None; from <= ReadWrite; from++ {
		for to := None; to <= ReadWrite; to++ {
			t.Run(fmt.Sprintf("%s to %s", names[from], names[to]), func(t *testing.T) { changeInterest(t, from, to) })
		}
	}
}

func changeInterest(t *testing.T, from, to Interest) {
	r := run(t, nil)
	e := pair(t)
	defer e.close()
	e.send(t, "x")
	var seen Interest
	r.do(func() {
		r.watch(e.polled, from, func(ev Events) {
			if ev&Readable != 0 {
				seen |= Read
			}
			if ev&Writable != 0 {
				seen |= Write
			}
		})
		if err := r.Watch(e.polled, to); err != nil {
			t.Error(err)
		}
	})
	for range 4 { // turns
		r.do(func() {})
	}
	r.do(func() {
		if seen != to {
			t.Errorf("reported: got %d, want %d", seen, to)
		}
		if err := r.Watch(e.polled, None); err != nil {
			t.Errorf("back to none: %v", err)
		}
	})
}

// TestWatchTellsTheErrorOfTheKernel: a plain file cannot be watched.
func TestWatchTellsTheErrorOfTheKernel(t *testing.T) {
	r := run(t, nil)
	fd, err := unix.Open(t.TempDir(), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Skipf("no nameless file to be had: %v", err)
	}
	r.do(func() {
		if err := r.Attach(fd, handlerFunc(func(Events) { t.Error("a plain file was reported") })); err == nil {
			t.Error("attaching a plain file: got no error, want EPERM")
		}
		for range 2 { // the second finds that the first changed nothing
			if err := r.Watch(fd, Read); err == nil {
				t.Error("watching a plain file: got no error, want EPERM")
			}
		}
		r.Close(fd)
	})
	wait(t, "end of the turn", func() bool { return !isOpen(fd) })
}

// TestP24CloseWhateverTheInterest closes descriptors in and out of the set: what netpoll's
// Delete says of those that are not in it reaches nobody, and the set has none left.
func TestP24CloseWhateverTheInterest(t *testing.T) {
	r := run(t, nil)
	var all []ends
	calls := 0
	r.do(func() {
		for want := None; want <= ReadWrite; want++ {
			e := pair(t)
			e.send(t, "x")
			all = append(all, e)
			r.watch(e.polled, want, func(Events) { calls++ })
			if err := r.Watch(e.polled, want); err != nil {
				t.Errorf("the same interest again: %v", err)
			}
			r.Close(e.polled)
		}
	})
	for _, e := range all {
		wait(t, "close", func() bool { return !isOpen(e.polled) })
		_ = unix.Close(e.own)
	}
	r.do(func() {
		if calls != 0 {
			t.Errorf("events of closed descriptors: got %d, want none", calls)
		}
	})
}
