package conn

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
	"distcache/upstream"

	"golang.org/x/sys/unix"
)

const (
	ms           = time.Millisecond
	disconnected = "\x02"
	long         = time.Hour // a retry or timeout that does not come within a test
)

func TestConnTCP(t *testing.T) {
	t.Parallel()
	ln := listen(t, "tcp", goodIP+":0", answering)
	e := dial(t, fmt.Sprintf("IP:%s:%d", goodIP, portOf(ln)), long, long)
	e.await(upstream.Up)
	e.ask("hello")
	e.mustAnswer("hello")
}

func TestConnIPv6(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "[::1]:0")
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
		t.Skip("this machine has no IPv6")
	}
	if err != nil {
		t.Fatal(err)
	}
	port := portOf(ln)
	_ = ln.Close()
	listen(t, "tcp", fmt.Sprintf("[::1]:%d", port), answering)
	e := dial(t, fmt.Sprintf("IP:[::1]:%d", port), long, long)
	e.await(upstream.Up)
	e.ask("hello")
	e.mustAnswer("hello")
}

func TestConnUnix(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	listen(t, "unix", path, answering)
	e := dial(t, "UNIX:"+path, long, long)
	e.await(upstream.Up)
	e.ask("hello")
	e.mustAnswer("hello")
}

// TestConnFails holds what an operator reads when there is nobody to connect to.
func TestConnFails(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	missing := socketPath(t)
	tests := []struct {
		name, target, address, text string
		want                        error
	}{
		{"refused", fmt.Sprintf("IP:%s:%d", goodIP, port), fmt.Sprintf("%s:%d", goodIP, port), "nothing listens there", unix.ECONNREFUSED},
		{"no such socket", "UNIX:" + missing, "UNIX:" + missing, "connect: no such file", unix.ENOENT},
		{"no such name", "IP:" + noSuch + ":9001", "", noSuch, nil},
		{"no route", "IP:[fe80::1%nosuch]:9001", "[fe80::1%nosuch]:9001", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			jitter := kit.MeasureJitter(t)
			c, took := dial(t, tt.target, 100*ms, long).awaitFailure()
			if c.address != tt.address {
				t.Errorf("got the address %q, want %q", c.address, tt.address)
			}
			if c.why == nil || !strings.Contains(c.why.Error(), tt.text) {
				t.Errorf("got %v, want a reason with %q", c.why, tt.text)
			}
			if tt.want != nil && !errors.Is(c.why, tt.want) {
				t.Errorf("got %v, want %v", c.why, tt.want)
			}
			jitter.MustTake(t, "failure", took, 0, upstream.AttemptTimeout)
		})
	}
}

// TestConnUnixBacklogFull is a unix socket that does not accept: the kernel says so at once.
func TestConnUnixBacklogFull(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	e := dial(t, "UNIX:"+path, long, long)
	if got := e.await(upstream.Down).why; !errors.Is(got, unix.EAGAIN) || !strings.Contains(got.Error(), "the backlog is full") {
		t.Errorf("got %v, want EAGAIN, and that the backlog is full", got)
	}
}

// TestConnHangs are attempts that only the timeout ends.
func TestConnHangs(t *testing.T) {
	t.Parallel()
	hung := listen(t, "tcp", goodIP+":0", silent)
	tests := []struct {
		name string
		port int
		want error
	}{
		{"the backlog is full", fullBacklog(t, goodIP, 0), errNoAnswer},
		{"the probe is not answered", portOf(hung), upstream.ErrProbeTimeout},
	}
	var edges []*edge // all at once: each takes its time
	for _, tt := range tests {
		edges = append(edges, dial(t, fmt.Sprintf("IP:%s:%d", goodIP, tt.port), 100*ms, long))
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := edges[i].awaitFailure()
			if !errors.Is(c.why, tt.want) {
				t.Errorf("got %v, want %v", c.why, tt.want)
			}
			if want := fmt.Sprintf("%s:%d", goodIP, tt.port); c.address != want {
				t.Errorf("got the address %q, want %q", c.address, want)
			}
			if c.at < dialLimit {
				t.Errorf("got the end after %v, want %v at least", c.at, dialLimit)
			}
			if c.at > upstream.AttemptTimeout+patience/2 {
				kit.TooSlow(t, "got the end after %v, want %v and little more", c.at, upstream.AttemptTimeout)
			}
		})
	}
}

// TestConnSilentNameServer is told by the name that was asked for, before the attempt as a
// whole has taken too long.
func TestConnSilentNameServer(t *testing.T) {
	t.Parallel()
	jitter := kit.MeasureJitter(t)
	c, took := dial(t, "IP:"+noAnswer+":9001", 100*ms, long).awaitFailure()
	if c.why == nil || !strings.HasPrefix(c.why.Error(), "cannot resolve IP:"+noAnswer+":9001: ") {
		t.Errorf("got %v, want that the name cannot be resolved", c.why)
	}
	jitter.MustTake(t, "failure", took, upstream.AttemptTimeout*8/10, upstream.AttemptTimeout)
}

// TestF07LookUpOutlivesItsAttempt has a name server that is silent, and answers when the
// resolver asks again after 5 s, as a second one would: that is later than an attempt ends.
func TestF07LookUpOutlivesItsAttempt(t *testing.T) {
	t.Parallel()
	good := listen(t, "tcp", goodIP+":0", answering)
	e := dial(t, fmt.Sprintf("IP:%s:%d", secondAsk, portOf(good)), 100*ms, long)
	e.await(upstream.Up)
	e.ask("hello")
	e.mustAnswer("hello")
}

// TestConnSeveralAddresses are names of which the first address is of no use.
func TestConnSeveralAddresses(t *testing.T) {
	t.Parallel()
	good := listen(t, "tcp", goodIP+":0", answering)
	port := portOf(good)
	listen(t, "tcp", fmt.Sprintf("%s:%d", hungIP, port), silent)
	fullBacklog(t, fullIP, port)
	tests := []struct {
		name         string
		host         string
		least, limit time.Duration
	}{
		{"refused: the next at once", deadFirst, 0, upstream.AttemptTimeout},
		{"hanging: the next after its share", slowFirst, upstream.AttemptTimeout / 2, patience / 2},
		{"never answering: the next attempt begins with the other", hungFirst, upstream.AttemptTimeout, patience / 2},
	}
	var edges []*edge // all at once: each takes its time
	for _, tt := range tests {
		edges = append(edges, dial(t, fmt.Sprintf("IP:%s:%d", tt.host, port), 100*ms, long))
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := edges[i]
			c := e.await(upstream.Up)
			if c.at < tt.least {
				t.Errorf("up after %v, want %v at least", c.at, tt.least)
			}
			if c.at > tt.limit {
				kit.TooSlow(t, "up after %v, want %v at most", c.at, tt.limit)
			}
			e.ask("hello")
			e.mustAnswer("hello")
		})
	}
}

// TestN13LastAddressesAreKept reconnects when the name does not resolve any more.
func TestN13LastAddressesAreKept(t *testing.T) {
	t.Parallel()
	ln := listen(t, "tcp", goodIP+":0", func(c net.Conn) { answer(c, 2) }) // the probe and one request
	for _, name := range []string{goesAway, goesMute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := dial(t, fmt.Sprintf("IP:%s%d.test:%d", name, portOf(ln), portOf(ln)), 100*ms, long)
			for range 3 {
				began := e.await(upstream.Connecting).at
				if c := e.await(upstream.Up); c.at-began > upstream.AttemptTimeout {
					kit.TooSlow(t, "up after %v, want it within one attempt", c.at-began)
				}
				e.ask("hello")
				e.mustAnswer("hello")
			}
		})
	}
}

// TestConnReconnects loses the connection with a request in flight.
func TestConnReconnects(t *testing.T) {
	t.Parallel()
	ln := listen(t, "tcp", goodIP+":0", func(c net.Conn) {
		answer(c, 2) // the probe and one request; the next is read and not answered
		_, _ = c.Read(make([]byte, 100))
	})
	e := dial(t, fmt.Sprintf("IP:%s:%d", goodIP, portOf(ln)), 100*ms, long)
	last := -time.Hour
	for range 3 {
		c := e.await(upstream.Connecting)
		if c.at-last < 80*ms {
			t.Errorf("two attempts %v apart, want at least 80ms", c.at-last)
		}
		last = c.at
		e.await(upstream.Up)
		e.ask("hello")
		e.mustAnswer("hello")
		e.ask("lost")
		e.mustAnswer(disconnected)
		if got := e.await(upstream.Down).why; !errors.Is(got, upstream.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", got)
		}
	}
}

// TestConnAnswersBeforeTheEnd is a server that answers and closes in one go.
func TestConnAnswersBeforeTheEnd(t *testing.T) {
	t.Parallel()
	ln := listen(t, "tcp", goodIP+":0", func(c net.Conn) { answer(c, 101) })
	e := dial(t, fmt.Sprintf("IP:%s:%d", goodIP, portOf(ln)), long, long)
	e.await(upstream.Up)
	for range 100 {
		e.ask("hello")
	}
	for range 100 {
		e.mustAnswer("hello")
	}
	e.await(upstream.Down)
}

// TestU13AnswersBeforeAFailedWrite is a server that answers and is gone when the next
// request is written: what it had answered comes first. The loop is kept from reading
// until then.
func TestU13AnswersBeforeAFailedWrite(t *testing.T) {
	t.Parallel()
	const answered = 100
	gone, asked := make(chan struct{}), make(chan struct{})
	left := sync.OnceFunc(func() { close(gone) }) // the link may connect again
	ln := listen(t, "tcp", goodIP+":0", func(c net.Conn) {
		defer left()
		answer(c, 1)
		<-asked
		answer(c, answered)
		awaitAcknowledged(t, c.(*net.TCPConn))
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	})
	e := dial(t, fmt.Sprintf("IP:%s:%d", goodIP, portOf(ln)), long, long)
	e.await(upstream.Up)
	for range answered + 1 {
		e.ask("hello")
	}
	e.do(func() {
		close(asked)
		<-gone
		time.Sleep(20 * ms)
		submit(e, "too late")
		e.server.Link().Flush(e.loop.Now())
	})
	for range answered {
		e.mustAnswer("hello")
	}
	e.mustAnswer(disconnected)
	e.mustAnswer(disconnected)
	e.await(upstream.Down)
}

// TestU13MoreThanOneReadBeforeAFailedWrite is one that had answered more than is read at a
// time, which takes answers of the largest size.
func TestU13MoreThanOneReadBeforeAFailedWrite(t *testing.T) {
	t.Parallel()
	const answered = 8 // 264,048 bytes, of which a read takes 262,144
	largest := strings.Repeat("x", codec.MaxPayload)
	gone, asked := make(chan struct{}), make(chan struct{})
	left := sync.OnceFunc(func() { close(gone) }) // the link may connect again
	path := socketPath(t)
	listen(t, "unix", path, func(c net.Conn) {
		defer left()
		_ = c.(*net.UnixConn).SetWriteBuffer(1 << 20) // as far as the machine allows
		_ = c.SetWriteDeadline(time.Now().Add(patience))
		answer(c, 1)
		<-asked
		answerWith(c, answered, func(codec.Message) []byte { return []byte(largest) })
		_ = c.Close()
	})
	e := dial(t, "UNIX:"+path, long, long)
	e.await(upstream.Up)
	for range answered {
		e.ask("hello")
	}
	e.do(func() {
		close(asked)
		<-gone
		submit(e, "too late")
		e.server.Link().Flush(e.loop.Now())
	})
	for range answered {
		e.mustAnswer(largest)
	}
	e.mustAnswer(disconnected)
	e.await(upstream.Down)
}

// awaitAcknowledged waits until all that was written is with the other side.
func awaitAcknowledged(t *testing.T, c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	for left, deadline := 1, time.Now().Add(patience); left > 0 && time.Now().Before(deadline); time.Sleep(ms) {
		_ = raw.Control(func(fd uintptr) { left, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	}
}

// TestConnReset is a server that dies without a word.
func TestConnReset(t *testing.T) {
	t.Parallel()
	ln := listen(t, "tcp", goodIP+":0", func(c net.Conn) {
		answer(c, 1)
		_, _ = c.Read(make([]byte, 100))
		_ = c.(*net.TCPConn).SetLinger(0)
	})
	e := dial(t, fmt.Sprintf("IP:%s:%d", goodIP, portOf(ln)), long, long)
	e.await(upstream.Up)
	e.ask("hello")
	e.mustAnswer(disconnected)
	if got := e.await(upstream.Down).why; !errors.Is(got, unix.ECONNRESET) {
		t.Errorf("got %v, want ECONNRESET", got)
	}
}

// TestConnPartialWrites sends more than the sockets hold before the server reads.
func TestConnPartialWrites(t *testing.T) {
	t.Parallel()
	read := make(chan struct{})
	release := sync.OnceFunc(func() { close(read) })
	ln := listen(t, "tcp", goodIP+":0", func(c net.Conn) {
		holdLittle(c)
		answer(c, 1)
		<-read
		answering(c)
	})
	e := dial(t, fmt.Sprintf("IP:%s:%d", goodIP, portOf(ln)), long, long)
	t.Cleanup(release) // also when the test fails: the server waits for it
	e.await(upstream.Up)
	payload := func(i int) string { return strings.Repeat(fmt.Sprintf("%08d", i), 4000) }
	whole, unsent := 0, 0
	e.do(func() { // in one turn: the kernel ends what it cannot deliver for long
		for i := range tooManyRequests {
			submit(e, payload(i))
		}
		whole = len(e.server.Mux().Unsent())
	})
	kit.Wait(t, patience, "write", func() bool { // at the end of the turn
		e.do(func() { unsent = len(e.server.Mux().Unsent()) })
		return unsent < whole
	})
	if unsent == 0 {
		t.Fatal("the sockets took it all: nothing was written in parts")
	}
	release()
	for i := range tooManyRequests {
		e.mustAnswer(payload(i))
	}
}

// tooManyRequests, of 32,000 bytes each, are more than the two sockets of a connection hold: the kernel
// lets one that writes have 4 MiB, and the other side is one of holdLittle.
const tooManyRequests = 250

// holdLittle lets the kernel hold little of what c has not read.
func holdLittle(c net.Conn) { _ = c.(*net.TCPConn).SetReadBuffer(64 << 10) }

// TestConnStop ends the link in each of its states: the server sees the end, and the
// loop has nothing left to report.
func TestConnStop(t *testing.T) {
	t.Parallel()
	hung := listen(t, "tcp", goodIP+":0", silent)
	good := listen(t, "tcp", goodIP+":0", answering)
	tests := []struct {
		name, target string
		in           upstream.State
	}{
		{"resolving", "IP:" + noAnswer + ":9001", upstream.Connecting},
		{"connecting", fmt.Sprintf("IP:%s:%d", goodIP, fullBacklog(t, goodIP, 0)), upstream.Connecting},
		{"probing", fmt.Sprintf("IP:%s:%d", goodIP, portOf(hung)), upstream.Probing},
		{"up", fmt.Sprintf("IP:%s:%d", goodIP, portOf(good)), upstream.Up},
		{"down", fmt.Sprintf("IP:%s:%d", goodIP, freePort(t)), upstream.Down},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := dial(t, tt.target, long, long)
			e.await(tt.in)
			e.stop()
			select {
			case c := <-e.changes:
				if c.to != upstream.Down || !errors.Is(c.why, upstream.ErrStopped) {
					t.Errorf("got %v, %v, want down, ErrStopped", c.to, c.why)
				}
			default:
				if tt.in != upstream.Down {
					t.Error("the link did not go down")
				}
			}
			if len(e.changes) > 0 {
				t.Errorf("got %v after the end", <-e.changes)
			}
		})
	}
}

// TestConnLeavesNoDescriptors goes through failed and lost connections and counts what
// is open. Not parallel: others would open some meanwhile.
func TestConnLeavesNoDescriptors(t *testing.T) {
	ln := listen(t, "tcp", goodIP+":0", func(c net.Conn) { answer(c, 1) })
	dead := freePort(t)
	round := func() {
		for _, port := range []int{portOf(ln), dead} {
			e := dial(t, fmt.Sprintf("IP:%s:%d", goodIP, port), ms, long)
			for range 5 {
				e.await(upstream.Down)
			}
			e.stop()
		}
	}
	round() // what the runtime opens once
	before := kit.OwnDescriptors(t)
	for range 5 {
		round()
	}
	wantClosed(t, before)
}

// wantClosed waits until no more descriptors are open than before.
func wantClosed(t *testing.T, before map[int]string) {
	t.Helper()
	after := before
	if kit.Within(patience, func() bool { // the server's side closes in its own time
		after = kit.OwnDescriptors(t)
		return len(after) <= len(before)
	}) {
		return
	}
	tcp, _ := os.ReadFile("/proc/self/net/tcp")
	t.Errorf("got %d descriptors, want the %d from before; now %v, before %v, of these connections:\n%s", len(after), len(before), after, before, tcp)
}
