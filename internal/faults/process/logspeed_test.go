package process

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/internal/testkit"
)

// fullPipe is a named pipe that takes no byte more and that nobody reads.
func fullPipe(t *testing.T) (path string, pipe *os.File) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = unix.Write(fd, bytes.Repeat([]byte("x"), 4096)) // as much as fits, in whole pages
	}
	if err != unix.EAGAIN {
		t.Fatal(err)
	}
	pipe = os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { _ = pipe.Close() })
	return path, pipe
}

// TestR07AnUnreadLogCostsNoSpeed asks two daemons in turns, of which one has a stderr that
// takes nothing: that one needs no more time for as many requests, while there are lines to
// be logged. Once somebody reads, they come, or how many were lost.
func TestR07AnUnreadLogCostsNoSpeed(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		p = p.linked(t)
		atLast := " client closed " // one a second, which all wait
		if p.name == "dc_server" {
			p.args = []string{"-progress", "1"} // a line for each request, more than wait
			atLast = " log lines lost count="
		}
		read, readAt := p.startLinked(t)
		path, pipe := fullPipe(t)
		unreadAt := testkit.Unix(t)
		unread := inShell(p.command("-listen", unreadAt.String()), "exec 2>>"+path).Start(t)
		unread.WaitListening(patience, unreadAt)

		with, without := newTimed(t, p, unreadAt), newTimed(t, p, readAt)
		for range 16 {
			without.round()
			with.round()
		}
		t.Logf("%v with a stderr that nobody reads, %v with one that is read", with.best(), without.best())
		if with.best() > without.best()*3/2 {
			t.Errorf("got %v for a round, want half as much again as %v at most", with.best(), without.best())
		}
		mustEnd(t, read)
		mustTellAtLast(t, unread, pipe, atLast)
	})
}

// timed is a daemon that is asked in rounds.
type timed struct {
	t      *testing.T
	p      program
	at     testkit.Endpoint
	client *testkit.Client
	took   []time.Duration
}

func newTimed(t *testing.T, p program, at testkit.Endpoint) *timed {
	t.Helper()
	c := testkit.Dial(t, at)
	testkit.Wait(t, patience, "service", func() bool { return c.Answer(testkit.Have(1, "nobody's"))[0] == byte(p.absent) })
	return &timed{t: t, p: p, at: at, client: c}
}

// round asks, and provokes lines: that a client was closed, for what it sent.
func (d *timed) round() {
	d.t.Helper()
	began := time.Now()
	for uid := range uint32(500) {
		d.client.ExpectStatus(testkit.Have(uid, "nobody's"), d.p.absent)
		if uid%50 == 0 {
			c := testkit.Dial(d.t, d.at)
			c.Send([]byte("garbage that is no request"))
			c.ExpectClosed()
			_ = c.Close()
		}
	}
	d.took = append(d.took, time.Since(began))
}

// best is the shortest round: in the others the machine was late.
func (d *timed) best() time.Duration { return slices.Min(d.took) }

// mustTellAtLast reads the pipe until the daemon has ended, and holds that the text comes.
func mustTellAtLast(t *testing.T, process *testkit.Process, pipe *os.File, want string) {
	t.Helper()
	text := make(chan string)
	go func() {
		all, _ := io.ReadAll(pipe) // its end is the deadline
		text <- strings.TrimLeft(string(all), "x")
	}()
	mustEnd(t, process)
	_ = pipe.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // all was written before the end
	if got := <-text; !strings.Contains(got, want) {
		t.Errorf("got %q, want%s", got, want)
	}
}
