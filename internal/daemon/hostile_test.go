package daemon

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// attack is what hostile or broken clients do, beside whom others want to be served
// (docs/RELIABILITY.md, H). Each runs many times, some at a time, on connections of their own.
type attack struct {
	name  string
	times int
	// run is one client's life, an error when it was not treated as it should be.
	run func(c *kit.Conn, n int) error
}

// big is a session that everybody may ask for: its answer is the largest there is.
const big = "big"

// family is attacks that a daemon suffers at the same time.
type family struct {
	name    string
	attacks []attack
}

// families gives each attack a daemon of its own in the long form, and those of a kind a
// common one in the short form.
func families() []family {
	kinds := []family{
		{"corrupt", corruptAttacks()}, {"partial", partialAttacks()}, {"leaving", leavingAttacks()},
		{"slow", slowAttacks()}, {"sockets", socketAttacks()}, {"odd", harmlessOddities()},
	}
	if !kit.Full() {
		return kinds
	}
	var each []family
	for _, k := range kinds {
		for _, a := range k.attacks {
			each = append(each, family{a.name, []attack{a}})
		}
	}
	return each
}

// mustClose waits for the end of the connection, before which nothing may come.
func mustClose(c *kit.Conn) error {
	got, err := c.ReadAll()
	if errors.Is(err, syscall.ECONNRESET) {
		err = nil
	}
	if len(got) > 0 || err != nil {
		return fmt.Errorf("got %d bytes, %w, want the connection closed without a byte", len(got), err)
	}
	return nil
}

// mustAnswer reads an answer, which must be that status.
func mustAnswer(c *kit.Conn, uid uint32, op codec.Op, want codec.Status) error {
	m, err := c.ReadMessage()
	if err != nil {
		return fmt.Errorf("got no answer: %w", err)
	}
	status, err := codec.ParseStatus(m)
	if err != nil || m.UID != uid || m.Op != op || status != want {
		return fmt.Errorf("got %v of %v %#x, %w, want %v of %v %#x", status, m.Op, m.UID, err, want, op, uid)
	}
	return nil
}

// within holds how long something took: at most what is given only where the machine does
// nothing else.
func within(took, least, most time.Duration) error {
	if took < least || took > most && kit.Full() {
		return fmt.Errorf("got the end after %v, want %v to %v", took, least, most)
	}
	return nil
}

// bigLen is the most that an ADD can carry with an id of that length.
const bigLen = codec.MaxPayload - codec.AddOverhead - len(big)

// attackers is how many hostile clients there are at a time.
const attackers = 40

// TestHostileClients runs attacks while others are served, and looks afterwards whether the
// daemon is as it was.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	for _, f := range families() {
		t.Run(f.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				p, up := p.withServer(t, 5*time.Millisecond)
				args := []string{"-listen", "IP:127.0.0.1:0", "-sessions", "1000"}
				if up != nil { // dc_client: the one is reached over TCP, the other as usual
					args = []string{"-listen", kit.Unix(t).String()}
				}
				process := p.start(t, args...)
				at := listenedOn(t, process)
				addBig(t, at)
				checkPost := notePost(process)
				victim := startVictim(at)
				began := time.Now()
				f.launch(t, at)
				victim.mustBeWell(t)
				f.mustLogLittle(t, process, time.Since(began))
				checkPost(hostileSlack())
				mustKeepItsLink(t, up)
				mustEnd(t, process)
			})
		})
	}
}

func hostileSlack() kit.Slack {
	slack := kit.DefaultSlack()
	slack.RSS = 96 << 20 // the pools of buffers stay with the process
	return slack
}

// mustLogLittle holds that each kind of fault makes a line a second at most.
func (f family) mustLogLittle(t *testing.T, process *kit.Process, took time.Duration) {
	t.Helper()
	kinds := 2 * len(f.attacks) // no attack makes more than two
	lines := strings.Count(process.Stderr(), " client closed ")
	if most := kinds * (2 + int(took/time.Second)); lines > most {
		t.Errorf("got %d lines about clients in %v, want %d at most", lines, took, most)
	}
}

func addBig(t *testing.T, at kit.Endpoint) {
	t.Helper()
	c := kit.Dial(t, at)
	c.ExpectStatus(kit.Add(1, big, strings.Repeat("b", bigLen), codec.MaxTimeout), codec.StatusOK)
	_ = c.Close()
}

// launch runs the attacks at the same time, and returns when all have ended.
func (f family) launch(t *testing.T, at kit.Endpoint) {
	t.Helper()
	var running sync.WaitGroup
	for _, a := range f.attacks {
		running.Go(func() { a.launch(t, at) })
	}
	running.Wait()
}

// launch runs the attack as often as it says.
func (a attack) launch(t *testing.T, at kit.Endpoint) {
	t.Helper()
	times := a.times
	if !kit.Full() {
		times = min(times, attackers)
	}
	var next, failures atomic.Int64
	var running sync.WaitGroup
	for range min(attackers, times) {
		running.Go(func() {
			for n := int(next.Add(1)); n <= times; n = int(next.Add(1)) {
				if err := a.inTime(at, n); err != nil && failures.Add(1) <= 5 {
					t.Errorf("%s: client %d: %v", a.name, n, err)
				}
			}
		})
	}
	running.Wait()
}

// inTime is once, and again where a stall of the machine may have let a request time out.
func (a attack) inTime(at kit.Endpoint, n int) (err error) {
	for range kit.Sized(3, 1) {
		began := time.Now()
		if err = a.once(at, n); err == nil || time.Since(began) < wholeTimeout/2 {
			return err
		}
	}
	return err
}

func (a attack) once(at kit.Endpoint, n int) error {
	c, err := kit.Connect(at)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	c.SetPatience(patience)
	return a.run(c, n)
}

// mustKeepItsLink holds that dc_server noticed nothing.
func mustKeepItsLink(t *testing.T, up *kit.Upstream) {
	t.Helper()
	if up == nil {
		return
	}
	if got := up.Replaced(); got != 0 {
		t.Errorf("got %d connections to dc_server replaced, want the first to have lasted", got)
	}
	if got := up.Corrupt(); len(got) > 0 {
		t.Errorf("got %v at dc_server, want nothing corrupt", got)
	}
}
