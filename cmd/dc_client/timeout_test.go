package main

import (
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestTimeout: a request that gets no answer is answered DISCONNECTED when its time is
// up, neither before nor much later, while others are served.
func TestTimeout(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		args    []string
		timeout time.Duration
	}{
		{"default", nil, 200 * time.Millisecond},
		{"100", []string{"-timeout", "100"}, 100 * time.Millisecond},
		{"700", []string{"-timeout=700"}, 700 * time.Millisecond},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			jitter := measure(t)
			up := kit.NewUpstream(t, kit.Loopback())
			up.On(func(q kit.Request) bool { return q.ID == "hangs" }).Do(kit.Drop)
			process, at := startAsIs(t, up.Endpoint(), row.args...)
			process.WaitStderr(patience, "connected to dc_server")
			quit, talked := make(chan struct{}), make(chan error, 1)
			go func() { talked <- talk(at, quit) }() // so that dc_server is not silent
			var took []time.Duration
			client := kit.Dial(t, at)
			for uid := range uint32(8) {
				began := time.Now()
				client.Send(kit.Get(uid, "hangs"))
				client.Expect(failed(uid, codec.OpGet))
				took = append(took, time.Since(began))
			}
			close(quit)
			if err := <-talked; err != nil {
				t.Error(err)
			}
			if strings.Contains(process.Stderr(), "lost dc_server") {
				jitter.MustBeBelow(t, row.timeout/4) // else it was silent after all
				t.Error("got the link lost, want it kept: others were answered")
			}
			for _, each := range took {
				jitter.MustTake(t, "DISCONNECTED", each, row.timeout, row.timeout+kit.Promptly)
			}
		})
	}
}

// talk asks all the time, and must be answered, in time or not.
func talk(at kit.Endpoint, quit <-chan struct{}) error {
	conn, err := kit.Connect(at)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for uid := uint32(0); ; uid++ {
		select {
		case <-quit:
			return nil
		case <-time.After(5 * time.Millisecond):
		}
		m, err := conn.Do(kit.Have(uid, "nobody's"))
		if err != nil {
			return err
		}
		if s, _ := codec.ParseStatus(m); m.UID != uid || s != codec.StatusNotOK && s != codec.StatusDisconnected {
			return fmt.Errorf("got %v of %#x, want NOTOK of %#x", s, m.UID, uid)
		}
	}
}

// TestLateAnswer is dropped: the client has had one, and the next request gets its own.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	jitter := measure(t)
	up := kit.NewUpstream(t, kit.Loopback())
	up.Put("late", "late data", time.Hour)
	up.Put("next", "next data", time.Hour)
	up.Expect(codec.OpGet, "late").Do(kit.Late(1600 * time.Millisecond)) // a busy machine sees the timeout late, too
	_, at := startLinked(t, up.Endpoint(), "-timeout", "400")
	client := kit.Dial(t, at)
	client.Send(kit.Get(1, "late"))
	client.Expect(failed(1, codec.OpGet))
	client.ExpectQuiet(1400 * time.Millisecond)
	got := client.Answer(kit.Get(1, "next"))
	client.ExpectQuiet(50 * time.Millisecond)
	if string(got) != "next data" {
		if string(got) == "\x02" {
			jitter.MustBeBelow(t, 100*time.Millisecond)
		}
		t.Errorf("got %q, want next data", got)
	}
}

// TestAnswersAroundTheTimeout sends them just before and just after: each client gets
// one, its own data or DISCONNECTED.
func TestAnswersAroundTheTimeout(t *testing.T) {
	t.Parallel()
	const clients, timeout = 50, 100 * time.Millisecond
	up := kit.NewUpstream(t, kit.Loopback())
	for n := range clients {
		up.Put(fmt.Sprint("session ", n), fmt.Sprint("of client ", n), time.Hour)
		delay := timeout + time.Duration(n-clients/2)*time.Millisecond/5
		up.On(func(q kit.Request) bool { return q.ID == fmt.Sprint("session ", n) }).Do(kit.Late(delay))
	}
	_, at := startLinked(t, up.Endpoint(), "-timeout", "100")
	var all []*kit.Client
	for range clients {
		all = append(all, kit.Dial(t, at))
	}
	failures := 0
	for round := range uint32(4) {
		for n, client := range all {
			client.Send(kit.Get(round, fmt.Sprint("session ", n)))
		}
		for n, client := range all {
			m, err := client.ReadMessage()
			got := string(m.Payload(nil))
			if err != nil || m.UID != round || got != "\x02" && got != fmt.Sprint("of client ", n) {
				t.Fatalf("client %d: got %q of %d, %v, want its own data or DISCONNECTED", n, got, m.UID, err)
			}
			if got == "\x02" {
				failures++
			}
		}
	}
	t.Logf("%d of %d answers came too late", failures, 4*clients)
}

// TestTimeoutNever: with 0, a request waits for as long as dc_server takes.
func TestTimeoutNever(t *testing.T) {
	t.Parallel()
	jitter := measure(t)
	const takes = time.Second // more than three default timeouts, after which a link counts as dead
	up := kit.NewUpstream(t, kit.Loopback())
	up.After(1).Do(kit.Late(takes))
	_, at := startLinked(t, up.Endpoint(), "-timeout", "0")
	client := kit.Dial(t, at)
	began := time.Now()
	client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	jitter.MustTake(t, "answer", time.Since(began), takes, takes+kit.Promptly)
	mustKeepItsLink(t, up)
}

// TestSilence: a dc_server that hangs is given up after three timeouts of silence. From
// then on requests are answered at once, until a probe is answered again.
func TestSilence(t *testing.T) {
	t.Parallel()
	const timeout, retry, attempt = 200 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second
	jitter := measure(t)
	var hangs atomic.Bool
	up := kit.NewUpstream(t, kit.Loopback())
	up.On(func(kit.Request) bool { return hangs.Load() }).Do(kit.Drop)
	process, at := startLinked(t, up.Endpoint(), "-retry", "300", "-timeout", "200")
	client := kit.Dial(t, at)
	kit.Wait(t, patience, "service", func() bool {
		return client.Answer(kit.Have(1, "nobody's"))[0] == byte(codec.StatusNotOK)
	})
	losses := func() int { return strings.Count(process.Stderr(), "lost dc_server") }
	before, soonest := losses(), 1
	if before > 0 { // on a busy machine the server that works is late, too: it may have been given up again
		soonest = 0
	}
	hangs.Store(true)
	began := time.Now()
	client.Send(kit.Have(2, "nobody's"))
	client.Expect(failed(2, codec.OpHave))
	jitter.MustTake(t, "first answer", time.Since(began), time.Duration(soonest)*timeout, timeout+kit.Promptly)
	process.Wait(patience, "loss of the link", func() bool { return losses() > before })
	jitter.MustTake(t, "loss of the link", time.Since(began), time.Duration(soonest)*3*timeout, 3*timeout+kit.Promptly)

	// The server accepts and takes the probe, which is not enough.
	hangsFor := retry
	if kit.Full() {
		hangsFor += attempt
	}
	for hung := time.Now(); time.Since(hung) < hangsFor || up.Conns() < 2; time.Sleep(5 * time.Millisecond) {
		asked := time.Now()
		client.ExpectStatus(kit.Have(3, "nobody's"), codec.StatusDisconnected)
		jitter.MustTake(t, "answer while it hangs", time.Since(asked), 0, kit.Promptly)
	}
	if got := up.Conns(); got < 2 || got > 4 && kit.Full() {
		t.Errorf("got %d connections, want some attempts and not many", got)
	}
	hangs.Store(false)
	healed := time.Now()
	kit.Wait(t, patience, "service", func() bool {
		return client.Answer(kit.Have(4, "nobody's"))[0] == byte(codec.StatusNotOK)
	})
	jitter.MustTake(t, "service", time.Since(healed), 0, attempt+retry+kit.Promptly)
}

// TestServerStopped stops a real dc_server for a while (SIGSTOP).
func TestServerStopped(t *testing.T) {
	t.Parallel()
	jitter := measure(t)
	where := kit.Unix(t)
	server := startServer(t, where)
	process, at := startLinked(t, where, "-retry", "200", "-timeout", "200")
	client := kit.Dial(t, at)
	kit.Wait(t, patience, "service", func() bool {
		got := client.Answer(kit.Add(1, "session", "data", time.Hour))[0]
		return got != byte(codec.StatusDisconnected) // added, now or by a request that timed out
	})
	server.Signal(syscall.SIGSTOP)
	kit.Wait(t, patience, "silence", func() bool {
		asked := time.Now()
		silent := client.Answer(kit.Have(2, "session"))[0] == byte(codec.StatusDisconnected)
		jitter.MustTake(t, "answer", time.Since(asked), 0, 200*time.Millisecond+kit.Promptly)
		return silent
	})
	process.WaitStderr(patience, "lost dc_server")
	for range 100 {
		asked := time.Now()
		client.ExpectStatus(kit.Have(3, "session"), codec.StatusDisconnected)
		jitter.MustTake(t, "answer while it is stopped", time.Since(asked), 0, kit.Promptly)
	}
	server.Signal(syscall.SIGCONT)
	kit.Wait(t, patience, "service", func() bool {
		return client.Answer(kit.Have(4, "session"))[0] == byte(codec.StatusOK)
	})
}
