package main

import (
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
	"distcache/upstream"
)

// attempts notes when somebody connects, and closes at once.
type attempts struct {
	mu sync.Mutex
	at []time.Time
}

// countAttempts listens until the test ends.
func countAttempts(t *testing.T) (*attempts, kit.Endpoint) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &attempts{}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			sock, err := l.Accept()
			if err != nil {
				return
			}
			a.mu.Lock()
			a.at = append(a.at, time.Now())
			a.mu.Unlock()
			_ = sock.Close()
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		accepting.Wait()
	})
	return a, kit.Endpoint{Network: "tcp", Address: l.Addr().String()}
}

// gaps is the times between attempts, once there are that many.
func (a *attempts) gaps(t *testing.T, count int) []time.Duration {
	t.Helper()
	kit.Wait(t, patience, "attempts", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.at) > count
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	var gaps []time.Duration
	for n := range count {
		gaps = append(gaps, a.at[n+1].Sub(a.at[n]))
	}
	return gaps
}

// TestRetry: attempts are 100 ms apart, then twice that, and so on up to -retry, less up to a fifth of it at random.
func TestRetry(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		args  []string
		retry time.Duration
		count int
	}{
		{"150", []string{"-retry", "150"}, 150 * time.Millisecond, 16},
		{"default", nil, 5 * time.Second, 7}, // 100, 200, 400, 800, 1,600, 3,200 and 5,000 ms
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			jitter := measure(t)
			if !kit.Full() && row.args == nil {
				t.Skip("the default takes 11 s: only in make faults")
			}
			tried, server := countAttempts(t)
			start(t, server, row.args...)
			gaps := tried.gaps(t, row.count)
			// The first attempt may be noticed late, so that the sum is short by as much.
			if !kit.Full() {
				if least := row.retry * 2 / 5; mean(gaps) < least {
					t.Errorf("got %v between attempts on average, want %v at least; all: %v", mean(gaps), least, gaps)
				}
				return
			}
			for n, gap := range gaps {
				// An attempt is noticed late, the next one in time.
				pause := min(100*time.Millisecond<<n, row.retry)
				jitter.MustTake(t, "attempt "+strconv.Itoa(n+1), gap, pause*4/5-5*time.Millisecond-jitter.Allowance(), pause+kit.Promptly)
			}
			if row.args == nil {
				return
			}
			// On average a tenth is taken off; by chance it is less than a third of that
			// once in 100,000 times.
			if most := row.retry*967/1000 + jitter.Allowance()/time.Duration(len(gaps)); mean(gaps) > most {
				t.Errorf("got %v between attempts on average, want %v at most; all: %v", mean(gaps), most, gaps)
			}
		})
	}
}

func mean(all []time.Duration) time.Duration {
	sum := time.Duration(0)
	for _, each := range all {
		sum += each
	}
	return sum / time.Duration(len(all))
}

// TestRetryComesBack starts a dc_server again that had gone: within one period of -retry
// it is used.
func TestRetryComesBack(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			const retry = 500 * time.Millisecond
			jitter := measure(t)
			where := kit.Unix(t)
			if network == "tcp" {
				where = freePort(t)
			}
			server := startServer(t, where)
			process, at := startLinked(t, where, "-retry", "500")
			client := kit.Dial(t, at)
			for range kit.Sized(1, 3) {
				client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
				server.Kill()
				process.Wait(patience, "loss noticed", func() bool {
					return client.Answer(kit.Have(1, "nobody's"))[0] == byte(codec.StatusDisconnected)
				})
				server = startServer(t, where)
				began := time.Now()
				kit.Wait(t, patience, "service", func() bool {
					return client.Answer(kit.Have(1, "nobody's"))[0] == byte(codec.StatusNotOK)
				})
				jitter.MustTake(t, "service", time.Since(began), 0, retry+kit.Promptly)
			}
		})
	}
}

// TestRetryAtOnceAfterLong: a connection that lasted for longer than -retry is replaced
// within upstream.LossJitter, and twice upstream.FirstRetry later a second time, less up to a fifth.
func TestRetryAtOnceAfterLong(t *testing.T) {
	t.Parallel()
	jitter := measure(t)
	up := kit.NewUpstream(t, kit.Loopback())
	process, _ := startLinked(t, up.Endpoint(), "-retry", "400")
	time.Sleep(500 * time.Millisecond) // it lasts
	began := time.Now()
	up.CloseAll()
	process.Wait(patience, "second connection", func() bool { return up.Conns() == 2 })
	jitter.MustTake(t, "second connection", time.Since(began), 0, upstream.LossJitter+kit.Promptly)
	up.CloseAll()
	process.Wait(patience, "third connection", func() bool { return up.Conns() == 3 })
	jitter.MustTake(t, "third connection", time.Since(began), 2*upstream.FirstRetry*4/5, upstream.LossJitter+2*upstream.FirstRetry+2*kit.Promptly)
}

// TestStartWithoutServer: dc_client serves before there is a dc_server, and says once
// what is wrong.
func TestStartWithoutServer(t *testing.T) {
	t.Parallel()
	server := kit.Unix(t)
	process, at := start(t, server, "-retry", "50")
	client := kit.Dial(t, at)
	for range 20 {
		client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusDisconnected)
		time.Sleep(10 * time.Millisecond)
	}
	process.WaitStderr(patience, "no connection to dc_server")
	if lines := strings.Count(process.Stderr(), "no connection to dc_server"); lines != 1 {
		t.Errorf("got %d lines about the same failure, want 1; stderr:\n%s", lines, process.Stderr())
	}
	startServer(t, server)
	process.WaitStderr(patience, "connected to dc_server")
	client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
}

// TestFirstRequestsWait: what is asked while the very first connection is being made
// waits for it, but not for long.
func TestFirstRequestsWait(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		takes time.Duration // the probe's answer
		want  codec.Status
	}{
		{"in time", 100 * time.Millisecond, codec.StatusNotOK},
		{"too late", time.Minute, codec.StatusDisconnected},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			jitter := measure(t)
			up := kit.NewUpstream(t, kit.Loopback())
			up.On(func(q kit.Request) bool { return q.Number == 1 }).Do(kit.Late(row.takes))
			_, at := start(t, up.Endpoint())
			began := time.Now()
			got := codec.Status(kit.Dial(t, at).Answer(kit.Have(1, "nobody's"))[0])
			jitter.MustTake(t, "answer", time.Since(began), 0, 250*time.Millisecond+kit.Promptly)
			if got != row.want {
				jitter.MustBeBelow(t, kit.Promptly)
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}
