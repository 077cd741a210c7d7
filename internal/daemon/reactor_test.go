package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// withServer gives the dc_client here a dc_server, whose honest answers take that long,
// and more time to answer than a busy machine ever takes. The dc_server here needs none, and never takes long: for it the result is nil.
func (p program) withServer(t *testing.T, takes time.Duration) (program, *kit.Upstream) {
	if p.name == "dc_server" {
		return p, nil
	}
	up := kit.NewUpstream(t, kit.Unix(t))
	if takes > 0 {
		up.After(1).Do(kit.Late(takes)) // the first one is the probe
	}
	p.args = []string{"-server", up.Endpoint().String(), "-timeout", "10000"}
	p.absent, p.ready = codec.StatusNotOK, "connected to dc_server"
	return p, up
}

// TestEndUnderLoad ends a daemon while clients come and go: whoever could connect, and
// asked, is answered.
func TestEndUnderLoad(t *testing.T) {
	t.Parallel()
	runs := 2
	if kit.Full() {
		runs = 16
	}
	for run := range runs {
		signal := []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}[run%2]
		t.Run(fmt.Sprint(run, " ", signal), func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				p, _ = p.withServer(t, 5*time.Millisecond)
				at := kit.Unix(t)
				process := p.start(t, "-listen", at.String())
				load := startLoad(at, 20)
				kit.Wait(t, patience, "load", func() bool { return load.answered.Load() > 200 })
				process.Signal(signal)
				if code := process.Exit(patience); code != 0 {
					t.Errorf("got exit code %d, want 0", code)
				}
				load.mustEnd(t)
				mustBeGone(t, at.Address)
			})
		})
	}
}

// load is short-lived clients that ask until they cannot connect any more.
type load struct {
	running  sync.WaitGroup
	answered atomic.Int64
	failures chan error
}

func startLoad(at kit.Endpoint, clients int) *load {
	l := &load{failures: make(chan error, clients)}
	for n := range clients {
		l.running.Go(func() {
			for uid := uint32(n) << 20; ; uid++ {
				switch err := askOnce(at, uid); {
				case err == nil:
					l.answered.Add(1)
				case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT), errors.Is(err, errTooLate):
					return
				default:
					l.failures <- err
					return
				}
			}
		})
	}
	return l
}

// errTooLate is returned when a client, once connected, took so long to ask that the
// daemon need not have waited for it.
var errTooLate = errors.New("asked too late")

// askOnce connects, asks and leaves, as libdistcache does for each operation.
func askOnce(at kit.Endpoint, uid uint32) error {
	began := time.Now()
	conn, err := kit.Connect(at)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	conn.SetPatience(patience)
	err = conn.Write(kit.Have(uid, fmt.Sprint("session ", uid)))
	late := time.Since(began) > drainQuiet/2
	m, readErr := conn.ReadMessage()
	switch err = errors.Join(err, readErr); {
	case err != nil && late:
		return errTooLate
	case err != nil:
		return fmt.Errorf("request %#x got no answer: %w", uid, err)
	case m.UID != uid || m.Op != codec.OpHave:
		return fmt.Errorf("request %#x got the answer to %v %#x", uid, m.Op, m.UID)
	}
	return nil
}

func (l *load) mustEnd(t *testing.T) {
	t.Helper()
	l.running.Wait()
	close(l.failures)
	for err := range l.failures {
		t.Errorf("after %d answers: got %v, want every request answered", l.answered.Load(), err)
	}
}

// TestEndAnswersWhatIsInFlight ends dc_client while clients wait for a slow dc_server.
func TestEndAnswersWhatIsInFlight(t *testing.T) {
	t.Parallel()
	const clients, takes = 100, 150 * time.Millisecond
	p, up := programs()[0].withServer(t, takes)
	at := kit.Unix(t)
	process := p.start(t, "-listen", at.String())
	waiting := askAll(t, at, up, clients)
	began := time.Now()
	process.Signal(syscall.SIGTERM)
	for n, c := range waiting {
		expectInDrain(t, c, began, kit.Status(uint32(n), codec.OpHave, codec.StatusNotOK))
		c.ExpectClosed()
	}
	if code := process.Exit(patience); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
}

// askAll makes clients each of which has asked, and waits until the dc_server knows.
func askAll(t *testing.T, at kit.Endpoint, up *kit.Upstream, clients int) []*kit.Client {
	t.Helper()
	before := up.Asked()
	var waiting []*kit.Client
	for n := range clients {
		c := kit.Dial(t, at)
		c.Send(kit.Have(uint32(n), fmt.Sprint("session ", n)))
		waiting = append(waiting, c)
	}
	kit.Wait(t, patience, "requests in flight", func() bool { return up.Asked() >= before+clients })
	return waiting
}

// TestEndIsBounded ends dc_client while its dc_server hangs: after the drain time what
// is in flight is answered DISCONNECTED.
func TestEndIsBounded(t *testing.T) {
	t.Parallel()
	for _, timeout := range []string{"0", "3600000"} {
		t.Run("-timeout="+timeout, func(t *testing.T) {
			t.Parallel()
			p, up := programs()[0].withServer(t, 0)
			up.After(1).Do(kit.Drop)
			at := kit.Unix(t)
			p.args = []string{"-server", up.Endpoint().String(), "-timeout", timeout}
			process := p.start(t, "-listen", at.String())
			waiting := askAll(t, at, up, 50)
			began := time.Now()
			process.Signal(syscall.SIGTERM)
			for n, c := range waiting {
				c.Expect(kit.Status(uint32(n), codec.OpHave, codec.StatusDisconnected))
			}
			if code := process.Exit(patience); code != 0 {
				t.Errorf("got exit code %d, want 0", code)
			}
			mustTake(t, time.Since(began), time.Second, 3*time.Second)
			mustBeGone(t, at.Address)
		})
	}
}

// expectInDrain reads an answer of a daemon that was told to end at that time. What it may
// lack when the drain time is over says nothing: then the machine was too busy.
func expectInDrain(t *testing.T, c *kit.Client, began time.Time, want []byte) {
	t.Helper()
	got, err := c.Read(len(want))
	right := err == nil && bytes.Equal(got, want)
	skipAfterDrain(t, began, right)
	if !right {
		t.Fatalf("got % x, %v, want % x", got, err, want)
	}
}

// skipAfterDrain gives a test up that went wrong on a machine so busy that the drain time,
// from its beginning on, was over.
func skipAfterDrain(t *testing.T, began time.Time, right bool) {
	t.Helper()
	if took := time.Since(began); !right && took > drainTime && !kit.Full() {
		t.Skipf("got to it %v after the signal, on a busy machine: the drain time is %v", took, drainTime)
	}
}

// mustTake holds how long something took: at most what is given only where the machine does
// nothing else.
func mustTake(t *testing.T, took, least, most time.Duration) {
	t.Helper()
	if took < least || took > most && kit.Full() {
		t.Errorf("got it after %v, want %v to %v", took, least, most)
	}
}

// TestEndWaitsForTheRestOfARequest: a client in the middle of a request gets to end it.
func TestEndWaitsForTheRestOfARequest(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		process := p.start(t, "-listen", at.String())
		client, rest := p.halfARequest(t, at)
		began := time.Now()
		process.Signal(syscall.SIGTERM)
		process.WaitStderr(patience, "stopping")
		time.Sleep(4 * drainQuiet)
		skipAfterDrain(t, began, client.Write(rest) == nil)
		expectInDrain(t, client, began, kit.Status(2, codec.OpHave, p.absent))
		client.ExpectClosed()
		if code := process.Exit(patience); code != 0 {
			t.Errorf("got exit code %d, want 0", code)
		}
	})
}

// TestEndWithIdleClients: who asks nothing keeps nobody waiting.
func TestEndWithIdleClients(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		process := p.start(t, "-listen", at.String())
		var idle []*kit.Client
		for range 20 {
			c := kit.Dial(t, at)
			c.ExpectStatus(kit.Have(1, "nobody's"), p.absent)
			idle = append(idle, c)
		}
		began := time.Now()
		mustEnd(t, process)
		mustTake(t, time.Since(began), drainQuiet, drainTime)
		for _, c := range idle {
			c.ExpectClosed()
		}
	})
}

// TestEndAnswersPipelines: requests that were sent together are all answered.
func TestEndAnswersPipelines(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		p, up := p.withServer(t, 5*time.Millisecond)
		at := kit.Unix(t)
		process := p.start(t, "-listen", at.String())
		client := kit.Dial(t, at)
		var requests, answers []byte
		for uid := range uint32(12) {
			requests = append(requests, kit.Have(uid, "nobody's")...)
			answers = append(answers, kit.Status(uid, codec.OpHave, p.absent)...)
		}
		client.Send(requests)
		if up != nil {
			kit.Wait(t, patience, "first request", func() bool { return up.Asked() > 1 })
		} else {
			client.Expect(answers[:15])
			answers = answers[15:]
		}
		began := time.Now()
		process.Signal(syscall.SIGTERM)
		expectInDrain(t, client, began, answers)
		client.ExpectClosed()
		if code := process.Exit(patience); code != 0 {
			t.Errorf("got exit code %d, want 0", code)
		}
	})
}

// TestEndUnderPersistentLoad ends a daemon that is asked on and on over connections
// which stay: what was sent before the signal is answered.
func TestEndUnderPersistentLoad(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		p, _ = p.withServer(t, 0)
		at := kit.Unix(t)
		process := p.start(t, "-listen", at.String())
		const clients = 20
		var talk talk
		ends := make(chan error, clients)
		for n := range clients {
			go func() { ends <- talk.run(at, uint32(n)<<20) }()
		}
		kit.Wait(t, patience, "load", func() bool { return talk.answered.Load() > 500 })
		talk.ending.Store(true)
		if code := process.Stop(); code != 0 {
			t.Errorf("got exit code %d, want 0", code)
		}
		for range clients {
			if err := <-ends; err != nil {
				t.Errorf("got %v, want every request answered that was sent before the signal", err)
			}
		}
	})
}

// talk is what clients with lasting connections do.
type talk struct {
	answered atomic.Int64
	ending   atomic.Bool // the daemon is being told, or has been
}

// run asks over one connection until that ends. A request that gets no answer is an
// error unless it was sent when the daemon was ending.
func (k *talk) run(at kit.Endpoint, uid uint32) error {
	conn, err := kit.Connect(at)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for ; ; uid++ {
		ending := k.ending.Load()
		if err := conn.Write(kit.Have(uid, "nobody's")); err != nil {
			return nil // it could not be sent
		}
		m, err := conn.ReadMessage()
		switch {
		case err != nil && ending:
			return nil
		case err != nil:
			return fmt.Errorf("request %#x got no answer: %w", uid, err)
		case m.UID != uid:
			return fmt.Errorf("request %#x got the answer to %#x", uid, m.UID)
		}
		k.answered.Add(1)
	}
}
