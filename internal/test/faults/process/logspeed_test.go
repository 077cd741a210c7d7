package process

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/internal/test/kit"
)

// fullPipe is a named pipe that is full and has no reader.
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
//
// On which CPUs Linux has put a daemon and who asks it makes one pair up to twice as fast as
// the next, for as long as they run. Who is slow by himself is so in every pair.
func TestR07AnUnreadLogCostsNoSpeed(t *testing.T) {
	for _, p := range programs() {
		t.Run(p.name, func(t *testing.T) {
			const pairs = 5
			for pair := 1; !p.isAsFastUnread(t); pair++ {
				if pair == pairs {
					t.Fatalf("got each of %d slower than one whose stderr is read, want half as much again at most", pairs)
				}
			}
		})
	}
}

// isAsFastUnread starts and compares a pair.
func (p program) isAsFastUnread(t *testing.T) bool {
	t.Helper()
	p = p.linked(t)
	atLast := " client closed " // one a second, which all wait
	if p.name == "dc_server" {
		p.args = []string{"-progress", "1"} // a line for each request, more than wait
		atLast = " log lines lost count="
	}
	other, readAt := p.startLinked(t)
	path, pipe := fullPipe(t)
	unreadAt := kit.Unix(t)
	unread := inShell(p.command("-listen", unreadAt.String()), "exec 2>>"+path).Start(t)
	unread.WaitListening(patience, unreadAt)
	fast := areAsFast(t, newTimed(t, p, unreadAt), newTimed(t, p, readAt))
	mustTellAtLast(t, unread, pipe, atLast)
	mustEnd(t, other)
	return fast
}

// areAsFast compares the best rounds of the two: in the others the machine was late. Where
// times are not judged, both are asked once.
func areAsFast(t *testing.T, unread, read *timed) bool {
	t.Helper()
	if !kit.TimesJudged() {
		read.round()
		unread.round()
		return true
	}
	const least, most = 6, 20
	n, fast := 0, false
	for ; n < most && !fast; n++ {
		read.round()
		unread.round()
		fast = n+1 >= least && unread.best <= read.best*3/2
	}
	t.Logf("%v with a stderr that nobody reads, %v with one that is read, in %d rounds", unread.best, read.best, n)
	return fast
}

// timed is a daemon that is asked in rounds.
type timed struct {
	t      *testing.T
	p      program
	at     kit.Endpoint
	client *kit.Client
	best   time.Duration // the shortest round
}

// newTimed also provokes as many lines as wait to be written, and more.
func newTimed(t *testing.T, p program, at kit.Endpoint) *timed {
	t.Helper()
	c := kit.Dial(t, at)
	kit.Wait(t, patience, "service", func() bool { return c.Answer(kit.Have(1, "nobody's"))[0] == byte(p.absent) })
	d := &timed{t: t, p: p, at: at, client: c}
	for range kit.Sized(3, 5) { // 1,024 lines wait
		d.round()
	}
	d.best = time.Hour
	return d
}

// round asks, and provokes lines: that a client was closed, for what it sent.
func (d *timed) round() {
	d.t.Helper()
	began := time.Now()
	for uid := range uint32(500) {
		d.client.ExpectStatus(kit.Have(uid, "nobody's"), d.p.absent)
		if uid%50 == 0 {
			c := kit.Dial(d.t, d.at)
			c.Send([]byte("garbage that is no request"))
			c.ExpectClosed()
			_ = c.Close()
		}
	}
	d.best = min(d.best, time.Since(began))
}

// mustTellAtLast reads the pipe until the daemon has ended, and holds that the text comes.
func mustTellAtLast(t *testing.T, process *kit.Process, pipe *os.File, want string) {
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
