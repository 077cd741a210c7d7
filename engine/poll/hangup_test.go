package poll

import (
	"slices"
	"testing"

	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// reading notes all that reads give until the stream ends or fails.
type reading struct {
	fd     int
	size   int // of a read
	got    []string
	writes error // of the answer sent at the end
	ended  chan struct{}
}

func (rd *reading) ready(r *running) handlerFunc {
	return func(ev Events) {
		if ev&Readable == 0 {
			return
		}
		b := make([]byte, rd.size)
		n, err := unix.Read(rd.fd, b)
		switch {
		case err == unix.EAGAIN:
			return
		case err != nil:
			rd.got = append(rd.got, err.Error())
		default:
			rd.got = append(rd.got, string(b[:n]))
		}
		if n <= 0 {
			_, rd.writes = unix.Write(rd.fd, []byte("bye"))
			_ = r.Watch(rd.fd, None)
			close(rd.ended)
		}
	}
}

// halfClose leaves the test's end open, for reading, until the test is over.
func halfClose(e ends) error { return unix.Shutdown(e.own, unix.SHUT_WR) }

// TestP5UnreadBytesBeforeTheEnd has a peer that writes and is gone before anything is
// read. The hang-up comes together with the bytes; those are read first, piece by piece.
func TestP5UnreadBytesBeforeTheEnd(t *testing.T) {
	reset := &unix.Linger{Onoff: 1, Linger: 0}
	rows := []struct {
		name string
		pair func(testing.TB) ends
		end  func(e ends) error
		stay bool // the peer's descriptor stays open
		want []string
		half bool // it takes an answer after its end
	}{
		{"unix, half close (P4)", pair, halfClose, true,
			[]string{"abc", "de", ""}, true},
		{"unix, close", pair, func(e ends) error { return unix.Close(e.own) }, false,
			[]string{"abc", "de", ""}, false},
		{"TCP, half close (P4)", tcpPair, halfClose, true,
			[]string{"abc", "de", ""}, true},
		{"TCP, close", tcpPair, func(e ends) error { return unix.Close(e.own) }, false,
			[]string{"abc", "de", ""}, true},
		{"TCP, reset", tcpPair, func(e ends) error {
			if err := unix.SetsockoptLinger(e.own, unix.SOL_SOCKET, unix.SO_LINGER, reset); err != nil {
				return err
			}
			return unix.Close(e.own)
		}, false, []string{"abc", "de", unix.ECONNRESET.Error()}, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := run(t, nil)
			e := row.pair(t)
			e.send(t, "abcde")
			if err := row.end(e); err != nil {
				t.Fatal(err)
			}
			if row.stay {
				defer unix.Close(e.own)
			}
			rd := &reading{fd: e.polled, size: 3, ended: make(chan struct{})}
			r.do(func() { r.watch(e.polled, Read, rd.ready(r)) })
			receive(t, rd.ended, "end of the stream")
			if !slices.Equal(rd.got, row.want) {
				t.Errorf("got %q, want %q", rd.got, row.want)
			}
			if ok := rd.writes == nil; ok != row.half {
				t.Errorf("writing after the end: got %v, want success: %v", rd.writes, row.half)
			}
			r.do(func() { r.Close(e.polled) })
			wait(t, "close", func() bool { return !isOpen(e.polled) })
		})
	}
}

// TestErrorsAreReadableAndWritable: whichever a descriptor waits for, it learns of its end.
func TestErrorsAreReadableAndWritable(t *testing.T) {
	rows := []struct {
		name               string
		events             Events
		readable, writable bool
	}{
		{"nothing", 0, false, false},
		{"in", unix.EPOLLIN, true, false},
		{"urgent", unix.EPOLLPRI, true, false},
		{"out", unix.EPOLLOUT, false, true},
		{"hang-up", unix.EPOLLHUP, true, true},
		{"error", unix.EPOLLERR, true, true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if r, w := row.events&Readable != 0, row.events&Writable != 0; r != row.readable || w != row.writable {
				t.Errorf("got readable %v, writable %v, want %v, %v", r, w, row.readable, row.writable)
			}
		})
	}
}

// TestP22OutOfBand sends an urgent byte alone, then bytes around one. A handler that reads
// until nothing is left is not called over and over.
func TestP22OutOfBand(t *testing.T) {
	rows := []struct {
		name string
		pair func(testing.TB) ends
	}{
		{"unix", pair},
		{"TCP", tcpPair},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			e := row.pair(t)
			defer e.close()
			if err := unix.Sendto(e.own, []byte("!"), unix.MSG_OOB, nil); err != nil {
				t.Skipf("this kernel has no out-of-band bytes here: %v", err)
			}
			readAround(t, e)
		})
	}
}

func readAround(t *testing.T, e ends) {
	r := run(t, nil)
	events, got := 0, ""
	r.do(func() {
		r.watch(e.polled, Read, func(Events) {
			events++
			b := make([]byte, 16)
			if n, _ := unix.Read(e.polled, b); n > 0 {
				got += string(b[:n])
			}
		})
	})
	kit.MustIdle(t, kit.OwnCPU, 0.05)
	e.send(t, "ab")
	if err := unix.Sendto(e.own, []byte("!"), unix.MSG_OOB, nil); err != nil {
		t.Fatal(err)
	}
	e.send(t, "cd")
	wait(t, "bytes around the urgent one", func() bool {
		all := ""
		r.do(func() { all = got })
		return all == "abcd"
	})
	kit.MustIdle(t, kit.OwnCPU, 0.05)
	r.do(func() {
		if events < 2 || events > 12 {
			t.Errorf("events: got %d, want 2 to 12", events)
		}
	})
}
