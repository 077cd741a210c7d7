package daemon

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/dialog"
	"distcache/internal/testkit"
)

// attack is what hostile or broken clients do, beside whom others want to be served
// (FAULTS.md, H). Each runs many times, some at a time, on connections of their own.
type attack struct {
	name  string
	times int
	// run is one client's life, an error when it was not treated as it should be.
	run func(c *testkit.Conn, n int) error
}

// big is a session that everybody may ask for: its answer is the largest there is.
const big = "big"

func attacks() []attack {
	return slices.Concat(corruptAttacks(), partialAttacks(), leavingAttacks(), slowAttacks(), socketAttacks(), harmlessOddities())
}

// corruptAttacks send what is no request, and are closed at once without an answer.
func corruptAttacks() []attack {
	valid := testkit.Get(1, "nobody's")
	changed := func(at int, b ...byte) []byte { return slices.Replace(slices.Clone(valid), at, at+len(b), b...) }
	full := frame(7, codec.OpGet, false)
	var all []attack
	for _, row := range []struct {
		name  string
		bytes []byte
	}{
		{"version 0x0010", changed(1, 0x10)},
		{"version 0xffff", changed(0, 0xff, 0xff)},
		{"wrong version, 2 bytes of it", []byte{0x00, 0x12}},
		{"an answer", changed(4, 1)},
		{"is_response 2", changed(4, 2)},
		{"op_class 1", changed(9, 1)},
		{"operation 4", changed(10, 4)},
		{"complete 2", changed(11, 2)},
		{"2,049 bytes", changed(12, 8, 1)},
		{"short and incomplete", changed(11, 0)},
		{"another uid follows", slices.Concat(full, frame(8, codec.OpGet, true))},
		{"another operation follows", slices.Concat(full, frame(7, codec.OpHave, true))},
		{"33,000 bytes", slices.Concat(slices.Repeat(full, 16), frame(7, codec.OpGet, true))},
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
		{"TLS", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")},
		{"Redis", []byte("*1\r\n$4\r\nPING\r\n")},
		{"noise", []byte("\x9e\x8f\x00\xff\x11\x00")},
	} {
		all = append(all, attack{"corrupt: " + row.name, 40, func(c *testkit.Conn, _ int) error {
			return errors.Join(c.Write(row.bytes), mustClose(c))
		}})
	}
	return append(all,
		attack{"corrupt: after a request", 40, func(c *testkit.Conn, n int) error {
			if err := c.Write(testkit.Have(uint32(n), "nobody's"), []byte("garbage")); err != nil {
				return err
			}
			return errors.Join(mustAnswer(c, uint32(n), codec.OpHave, codec.StatusNotOK), mustClose(c))
		}},
		attack{"corrupt: many at a time", 1000, func(c *testkit.Conn, n int) error {
			return errors.Join(c.Write([]byte{0, byte(0x12 + n%200)}), mustClose(c))
		}},
	)
}

// frame is a full frame.
func frame(uid uint32, op codec.Op, complete bool) []byte {
	h := codec.Header{Direction: codec.Request, UID: uid, Op: op, Complete: complete, DataLen: codec.MaxFrameData}
	return append(codec.AppendHeader(nil, h), make([]byte, codec.MaxFrameData)...)
}

// wholeTimeout is how long a request may take to arrive.
const wholeTimeout = 2 * time.Second

// partialAttacks send half of something.
func partialAttacks() []attack {
	whole := testkit.Add(5, "half", strings.Repeat("x", 5000), time.Hour)
	return []attack{
		{"half a request, then the end", 300, func(c *testkit.Conn, n int) error {
			return errors.Join(c.Write(whole[:1+n*17%(len(whole)-1)]), c.Close())
		}},
		{"half a request, then a reset", 300, func(c *testkit.Conn, n int) error {
			return errors.Join(c.Write(whole[:1+n*19%(len(whole)-1)]), c.Reset())
		}},
		{"half a request, then half a close", 300, func(c *testkit.Conn, n int) error {
			return errors.Join(c.Write(whole[:1+n*23%(len(whole)-1)]), c.CloseWrite(), mustClose(c))
		}},
		{"half a request, then silence", 50, func(c *testkit.Conn, n int) error {
			began := time.Now()
			return errors.Join(c.Write(whole[:1+n*97%(len(whole)-1)]), mustClose(c),
				within(time.Since(began), wholeTimeout, 2*wholeTimeout))
		}},
		{"a byte at a time", 50, func(c *testkit.Conn, _ int) error {
			began := time.Now()
			_ = c.Trickle(whole[:5*20], 1, 50*time.Millisecond) // for 5 s, or until it is closed
			return within(time.Since(began), wholeTimeout, 2*wholeTimeout)
		}},
	}
}

// leavingAttacks leave while they are owed an answer.
func leavingAttacks() []attack {
	return []attack{
		{"leaves at once", 1000, func(c *testkit.Conn, _ int) error { return c.Close() }},
		{"leaves mid-request", 500, func(c *testkit.Conn, n int) error {
			return errors.Join(c.Write(testkit.Have(uint32(n), big)), c.Close())
		}},
		{"resets mid-request", 500, func(c *testkit.Conn, n int) error {
			return errors.Join(c.Write(testkit.Have(uint32(n), big)), c.Reset())
		}},
		{"leaves mid-answer", 200, func(c *testkit.Conn, n int) error {
			err := c.Write(testkit.Get(uint32(n), big))
			_, readErr := c.Read(100)
			return errors.Join(err, readErr, c.Close())
		}},
		{"leaves in a pipeline", 100, func(c *testkit.Conn, n int) error {
			return errors.Join(c.Write(slices.Repeat(testkit.Get(uint32(n), big), 20)), c.Close())
		}},
	}
}

// idleWatch is how long a silent client looks whether it is left alone.
const idleWatch = 300 * time.Millisecond

// slowAttacks keep a daemon waiting.
func slowAttacks() []attack {
	return []attack{
		{"never reads", 8, func(c *testkit.Conn, _ int) error {
			began := time.Now()
			err := askUntilClosed(c)
			return errors.Join(err, within(time.Since(began), dialog.ReadTimeout, dialog.ReadTimeout+5*time.Second))
		}},
		{"says nothing", 300, func(c *testkit.Conn, _ int) error { return c.Quiet(idleWatch) }},
		{"reads slowly", 8, func(c *testkit.Conn, n int) error {
			const requests = 40
			go func() { _ = c.Write(slices.Repeat(testkit.Get(uint32(n), big), requests)) }()
			for range requests {
				m, err := c.ReadMessage()
				if err != nil || m.PayloadLen != bigLen {
					return fmt.Errorf("got %d bytes, %w, want %d", m.PayloadLen, err, bigLen)
				}
				time.Sleep(10 * time.Millisecond)
			}
			return nil
		}},
	}
}

// askUntilClosed asks for much, reads nothing, and returns when the connection is over.
func askUntilClosed(c *testkit.Conn) error {
	c.SetPatience(patience)
	requests := slices.Repeat(testkit.Get(1, big), 100)
	for range 10_000 {
		if err := c.Write(requests); err != nil {
			if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
				return nil
			}
			return err
		}
	}
	return errors.New("got all taken of a client that never reads, want an end")
}

// harmlessOddities are odd but right, and have to be served.
func harmlessOddities() []attack {
	return []attack{
		{"newer patch level", 50, func(c *testkit.Conn, n int) error {
			request := testkit.Have(uint32(n), "nobody's")
			request[3] = 1
			return errors.Join(c.Write(request), mustAnswer(c, uint32(n), codec.OpHave, codec.StatusNotOK))
		}},
		{"an empty last frame", 50, func(c *testkit.Conn, n int) error {
			last := codec.AppendHeader(nil, codec.Header{UID: uint32(n), Op: codec.OpGet, Complete: true})
			request := slices.Concat(slices.Repeat(frame(uint32(n), codec.OpGet, false), 16), last)
			return errors.Join(c.Write(request), mustAnswer(c, uint32(n), codec.OpGet, codec.StatusNotOK))
		}},
		{"half a close", 100, func(c *testkit.Conn, n int) error {
			return errors.Join(c.Write(testkit.Have(uint32(n), "nobody's")), c.CloseWrite(),
				mustAnswer(c, uint32(n), codec.OpHave, codec.StatusNotOK), mustClose(c))
		}},
		{"short ADDs", 50, func(c *testkit.Conn, n int) error {
			for length := range codec.AddOverhead {
				err := c.Write(testkit.Ask(uint32(n), codec.OpAdd, make([]byte, length)))
				if err = errors.Join(err, mustAnswer(c, uint32(n), codec.OpAdd, codec.StatusAddCorrupt)); err != nil {
					return fmt.Errorf("ADD of %d bytes: %w", length, err)
				}
			}
			return nil
		}},
		{"every split", 40, func(c *testkit.Conn, n int) error {
			request := testkit.Have(uint32(n), "nobody's")
			at := 1 + n%(len(request)-1)
			err := errors.Join(c.Write(request[:at]), c.Quiet(10*time.Millisecond), c.Write(request[at:]))
			return errors.Join(err, mustAnswer(c, uint32(n), codec.OpHave, codec.StatusNotOK))
		}},
	}
}

// mustClose waits for the end of the connection, before which nothing may come.
func mustClose(c *testkit.Conn) error {
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
func mustAnswer(c *testkit.Conn, uid uint32, op codec.Op, want codec.Status) error {
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

func within(took, least, most time.Duration) error {
	if took < least || took > most {
		return fmt.Errorf("got the end after %v, want %v to %v", took, least, most)
	}
	return nil
}

// bigLen is the most that an ADD can carry with an id of that length.
const bigLen = codec.MaxPayload - codec.AddOverhead - len(big)

// attackers is how many hostile clients there are at a time.
const attackers = 40

// TestHostileClients runs each attack while others are served, and looks afterwards
// whether the daemon is as it was.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				p, up := p.withServer(t, 5*time.Millisecond)
				args := []string{"-listen", "IP:127.0.0.1:0", "-sessions", "1000"}
				if up != nil { // dc_client: the one is reached over TCP, the other as usual
					args = []string{"-listen", testkit.Unix(t).String()}
				}
				process := p.start(t, args...)
				at := listenedOn(t, process)
				addBig(t, at)
				checkPost := notePost(process)
				victim := startVictim(at)
				began := time.Now()
				a.launch(t, at)
				victim.mustBeWell(t)
				mustLogLittle(t, process, time.Since(began))
				checkPost(hostileSlack())
				mustKeepItsLink(t, up)
				mustEnd(t, process)
			})
		})
	}
}

func hostileSlack() testkit.Slack {
	slack := testkit.DefaultSlack()
	slack.RSS = 96 << 20 // the pools of buffers stay with the process
	return slack
}

// mustLogLittle holds that each kind of fault makes a line a second at most.
func mustLogLittle(t *testing.T, process *testkit.Process, took time.Duration) {
	t.Helper()
	const kinds = 2 // no attack makes more
	lines := strings.Count(process.Stderr(), " client closed ")
	if most := kinds * (2 + int(took/time.Second)); lines > most {
		t.Errorf("got %d lines about clients in %v, want %d at most", lines, took, most)
	}
}

func addBig(t *testing.T, at testkit.Endpoint) {
	t.Helper()
	c := testkit.Dial(t, at)
	c.ExpectStatus(testkit.Add(1, big, strings.Repeat("b", bigLen), codec.MaxTimeout), codec.StatusOK)
	_ = c.Close()
}

// launch runs the attack as often as it says.
func (a attack) launch(t *testing.T, at testkit.Endpoint) {
	t.Helper()
	times := a.times
	if testing.Short() {
		times = min(times, 100)
	}
	var next, failures atomic.Int64
	var running sync.WaitGroup
	for range min(attackers, times) {
		running.Go(func() {
			for n := int(next.Add(1)); n <= times; n = int(next.Add(1)) {
				if err := a.once(at, n); err != nil && failures.Add(1) <= 5 {
					t.Errorf("client %d: %v", n, err)
				}
			}
		})
	}
	running.Wait()
}

func (a attack) once(at testkit.Endpoint, n int) error {
	c, err := testkit.Connect(at)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	c.SetPatience(patience)
	return a.run(c, n)
}

// victim is an honest client that must not notice anything: it adds sessions of its own
// and gets them back, now over one connection, now over a new one.
type victim struct {
	at   testkit.Endpoint
	quit chan struct{}
	end  chan error
	asks atomic.Uint32
}

// leastAsks is how often a victim asks, the attack may be over as soon as it likes.
const leastAsks = 20

func startVictim(at testkit.Endpoint) *victim {
	v := &victim{at: at, quit: make(chan struct{}), end: make(chan error, 1)}
	go func() { v.end <- v.run() }()
	return v
}

func (v *victim) run() error {
	lasting, err := testkit.Connect(v.at)
	if err != nil {
		return err
	}
	defer func() { _ = lasting.Close() }()
	for n := 0; ; n++ {
		select {
		case <-v.quit:
			if v.asks.Load() >= leastAsks {
				return nil
			}
		default:
		}
		id, data := fmt.Sprint("victim ", n), strings.Repeat(fmt.Sprint(n, " "), 1+n%900)
		if err := v.addAndGet(lasting, id, data); err != nil {
			return fmt.Errorf("after %d requests: %w", v.asks.Load(), err)
		}
	}
}

// addAndGet adds over the lasting connection and gets over a new one.
func (v *victim) addAndGet(lasting *testkit.Conn, id, data string) error {
	uid := v.asks.Add(1)
	if err := lasting.Write(testkit.Add(uid, id, data, time.Minute)); err != nil {
		return err
	}
	if err := mustAnswer(lasting, uid, codec.OpAdd, codec.StatusOK); err != nil {
		return err
	}
	passing, err := testkit.Connect(v.at)
	if err != nil {
		return err
	}
	defer func() { _ = passing.Close() }()
	uid = v.asks.Add(1)
	m, err := passing.Do(testkit.Get(uid, id))
	if err != nil {
		return err
	}
	if m.UID != uid || m.Op != codec.OpGet || string(m.Payload(nil)) != data {
		return fmt.Errorf("got %v %#x with %d bytes, want GET %#x with the %d bytes that were added",
			m.Op, m.UID, m.PayloadLen, uid, len(data))
	}
	return nil
}

// mustBeWell ends it, and holds that each of its requests was answered as it should be.
func (v *victim) mustBeWell(t *testing.T) {
	t.Helper()
	close(v.quit)
	if err := <-v.end; err != nil {
		t.Errorf("the victim: %v", err)
	}
}

// mustKeepItsLink holds that dc_server noticed nothing.
func mustKeepItsLink(t *testing.T, up *testkit.Upstream) {
	t.Helper()
	if up == nil {
		return
	}
	if got := up.Conns(); got != 1 {
		t.Errorf("got %d connections to dc_server, want the first to have lasted", got)
	}
	if got := up.Corrupt(); len(got) > 0 {
		t.Errorf("got %v at dc_server, want nothing corrupt", got)
	}
}

// TestLogsHoldNoSessions: whatever happens to a session, and to who brings it, no byte
// of it is logged.
func TestLogsHoldNoSessions(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		const secret = "canary-5eed"
		p, _ = p.withServer(t, 0)
		at := testkit.Unix(t)
		process := p.start(t, "-listen", at.String())
		add := testkit.Add(1, secret+"-id", secret+"-data", time.Hour)
		for _, bytes := range [][]byte{add, testkit.Get(2, secret+"-id"), slices.Concat(add, []byte(secret)), []byte(secret),
			slices.Concat(testkit.Ask(1, codec.OpAdd, []byte{1, 2, 3}), []byte(secret)), add[:len(add)-3]} {
			client := testkit.Dial(t, at)
			client.Send(bytes)
			_ = client.CloseWrite()
			_, _ = client.ReadAll()
		}
		process.Signal(syscall.SIGHUP)
		process.WaitStderr(patience, "reason=corrupt")
		process.Signal(syscall.SIGABRT) // the Go runtime shows its stacks
		process.Exit(patience)
		if text := process.Stderr() + process.Stdout(); strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("got a session's bytes in the output, want none:\n%s", text)
		}
	})
}
