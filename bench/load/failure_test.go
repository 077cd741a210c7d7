package load

import (
	"context"
	"distcache/bench/load/plan"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec"
	"distcache/internal/test/kit"
)

func TestFailuresAreCountedAndTheRunGoesOn(t *testing.T) {
	tests := map[string]struct {
		fault kit.Fault
		want  plan.Failure
	}{
		"DISCONNECTED":    {kit.Reply([]byte{byte(codec.StatusDisconnected)}), plan.FailedDisconnected},
		"empty payload":   {kit.Reply(nil), plan.FailedDisconnected},
		"closes":          {kit.CloseUnanswered, plan.FailedClosed},
		"half an answer":  {kit.Cut(5), plan.FailedClosed},
		"almost complete": {kit.Cut(14), plan.FailedClosed},
	}
	for name, test := range tests {
		for _, keepAlive := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/keep-alive=%t", name, keepAlive), func(t *testing.T) {
				t.Parallel()
				server := serve(t)
				// One request in eight of each operation; whether it was carried out is unknown.
				server.On(func(q kit.Request) bool { return q.UID%8 == 0 }).Do(test.fault)
				c := configFor(t, server.Endpoint())
				c.Clients, c.KeepAlive, c.Operations = 4, keepAlive, 400
				r := runs(t, c)
				if got := r.Failures[test.want]; got < 20 || got != r.Failed() {
					t.Errorf("got %d failures by %v of %d in all, want over 20 and no other", got, test.want, r.Failed())
				}
				if r.Count() != c.Operations {
					t.Errorf("got %d operations, want %d", r.Count(), c.Operations)
				}
				if got := uint64(r.FailureLatency.TotalCount()); got != r.Failed() {
					t.Errorf("got %d latencies of failures, want %d", got, r.Failed())
				}
			})
		}
	}
}

// TestLateEffectOfAFailedRequest answers an ADD with DISCONNECTED and carries it out later. Its ID must not be used
// again.
func TestLateEffectOfAFailedRequest(t *testing.T) {
	t.Parallel()
	server := serve(t)
	server.On(of(codec.OpAdd)).Do(func(x *kit.Exchange) {
		if x.Request.UID%4 != 0 {
			kit.Pass(x)
			return
		}
		a, _ := codec.ParseAdd(message(x).Payload(nil))
		id, data := x.Request.ID, string(a.Data)
		server.Lose(id)
		time.AfterFunc(10*time.Millisecond, func() { server.Put(id, data, time.Hour) })
		x.Write(kit.Status(x.Request.UID, x.Request.Op, codec.StatusDisconnected))
	})
	c := configFor(t, server.Endpoint())
	c.Rate, c.Sessions, c.Operations = 1000, 3, 400
	if r := runs(t, c); r.Failed() == 0 {
		t.Error("got no failures, want some")
	}
}

func TestServerThatRestarts(t *testing.T) {
	for _, keepAlive := range []bool{false, true} {
		t.Run(fmt.Sprintf("keep-alive=%t", keepAlive), func(t *testing.T) {
			server := serve(t)
			c := configFor(t, server.Endpoint())
			c.Operations, c.Duration, c.Clients, c.KeepAlive = 0, time.Hour, 20, keepAlive
			ctx, cancel := context.WithCancel(testContext(t))
			c.Progress = new(plan.Progress)
			restarted := make(chan bool, 1)
			c.OnMeasure = func() {
				go func() {
					defer cancel()
					asked := server.Asked()
					kit.Within(patience, func() bool { return server.Asked() > asked+100 })
					server.Stop()
					// Each client loses one connection at most; the other failures are refused connections.
					failed := c.Progress.Failed()
					kit.Within(patience, func() bool { return c.Progress.Failed() >= failed+60 })
					server.Start()
					asked = server.Asked()
					restarted <- kit.Within(patience, func() bool { return server.Asked() > asked+100 })
				}()
			}
			r, err := Run(ctx, c)
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("got error %v, want %v", err, context.Canceled)
			}
			if !<-restarted {
				t.Error("the clients did not come back after the restart")
			}
			if got := r.Failures[plan.FailedConnect]; got < 20 || got > 2000 {
				t.Errorf("got %d refused connections, want 20 to 2000", got)
			}
		})
	}
}

func TestLossy(t *testing.T) {
	t.Run("lost sessions are counted", func(t *testing.T) {
		server := serve(t)
		forget(server)
		c := configFor(t, server.Endpoint())
		c.Lossy = true
		if r := runs(t, c); r.Lost() < 20 {
			t.Errorf("got %d sessions lost, want many", r.Lost())
		}
	})
	t.Run("missing answers are counted", func(t *testing.T) {
		server := serve(t)
		dropOne(server)
		c := configFor(t, server.Endpoint())
		c.Lossy, c.Operations, c.AnswerLimit = true, 300, 600*time.Millisecond
		r := runs(t, c)
		got := r.Failures[plan.FailedTimeout]
		if got < 1 || r.Failed() != got {
			t.Errorf("got %d by timeout of %d failures, want 1 of 1", got, r.Failed())
		}
		if got > 1 { // a stall of the server, which is part of this process
			kit.TooSlow(t, "got %d answers later than %v, want one", got, c.AnswerLimit)
		}
		if got := time.Duration(r.FailureLatency.Max()); got < c.AnswerLimit || got > patience {
			t.Errorf("got a timeout after %v, want it after %v", got, c.AnswerLimit)
		}
	})
	for _, name := range []string{"flips a byte of the data", "finds what is not there", "keeps what is removed", "answers with another uid"} {
		t.Run("still wrong/"+name, func(t *testing.T) {
			server := serve(t)
			fault := planted()[name]
			fault.plant(server)
			c := faultConfig(t, server, false)
			c.Lossy = true
			if v := violates(t, c); v.Fault != fault.want {
				t.Errorf("got %v, want %q", v, fault.want)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	directory := kit.SocketDir(t)
	for name, text := range map[string]string{
		"no socket":      "UNIX:" + filepath.Join(directory, "none"),
		"nobody listens": "IP:127.0.0.1:1",
	} {
		t.Run(name, func(t *testing.T) {
			c := plan.DefaultConfig()
			c.Address, c.Operations = parseAddress(t, text), 1
			r, err := Run(testContext(t), c)
			if !errors.Is(err, ErrUnreachable) || r != nil {
				t.Errorf("got result %v and error %v, want none and %v", r, err, ErrUnreachable)
			}
		})
	}
}

func TestTooFewDescriptors(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur >= plan.MaxClients {
		t.Skip("the limit is over all that can be asked for")
	}
	if err := checkDescriptors(plan.MaxClients); !errors.Is(err, ErrDescriptors) {
		t.Errorf("got %v, want %v", err, ErrDescriptors)
	}
	if err := checkDescriptors(1); err != nil {
		t.Errorf("got %v for one client, want no error", err)
	}
}

// TestFullBacklog connects more clients than the listener takes, and is slow to accept.
func TestFullBacklog(t *testing.T) {
	for _, systemCalls := range []bool{false, true} {
		t.Run(fmt.Sprintf("system calls=%t", systemCalls), func(t *testing.T) {
			at := kit.Unix(t)
			listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = unix.Close(listener) }()
			if err := unix.Bind(listener, &unix.SockaddrUnix{Name: at.Address}); err != nil {
				t.Fatal(err)
			}
			if err := unix.Listen(listener, 3); err != nil {
				t.Fatal(err)
			}
			c := configFor(t, at)
			c.Clients, c.Operations, c.Verify, c.SystemCalls = 50, 300, plan.VerifyFrames, systemCalls
			done := make(chan struct{})
			go func() {
				defer close(done)
				answerOneByOne(listener, int(c.Operations)+1) // one is only looked whether anybody listens
			}()
			r := runs(t, c)
			<-done
			if r.Failed() != 0 || r.Count() != c.Operations {
				t.Errorf("got %d operations, %d failed, want %d, 0", r.Count(), r.Failed(), c.Operations)
			}
		})
	}
}

// answerOneByOne accepts n connections, and answers the request on each before it accepts the next.
func answerOneByOne(listener, n int) {
	b := make([]byte, codec.MaxMessageSize)
	for range n {
		fd, _, err := unix.Accept(listener)
		if err != nil {
			return
		}
		if size, _ := unix.Read(fd, b); size >= codec.HeaderSize {
			h, _ := codec.ParseHeader(b, codec.Request)
			_, _ = unix.Write(fd, codec.AppendStatus(nil, h.UID, h.Op, codec.StatusNotOK))
		}
		_ = unix.Close(fd)
	}
}

// TestFullSocket: the server does not read for a while, so the socket takes only part of the requests.
func TestFullSocket(t *testing.T) {
	for _, systemCalls := range []bool{false, true} {
		t.Run(fmt.Sprintf("system calls=%t", systemCalls), func(t *testing.T) {
			server := serve(t)
			server.On(func(q kit.Request) bool { return q.Number%40 == 1 }).Do(func(x *kit.Exchange) {
				time.Sleep(20 * time.Millisecond)
				kit.Pass(x)
			})
			c := configFor(t, server.Endpoint())
			c.KeepAlive, c.Pipeline, c.Sessions, c.SystemCalls = true, 40, 80, systemCalls
			c.DataMin, c.DataMax, c.Operations = 30_000, plan.MaxData, 160
			c.Mix = plan.Mix{Add: 5, Get: 1, Remove: 3}
			if r := runs(t, c); r.Count() != c.Operations || r.Failed() != 0 {
				t.Errorf("got %d operations, %d failed, want %d, 0", r.Count(), r.Failed(), c.Operations)
			}
		})
	}
}

// TestServerClosesIdleConnections closes each connection after the preload, although the client means to keep it.
func TestServerClosesIdleConnections(t *testing.T) {
	t.Parallel()
	server := serve(t)
	c := configFor(t, server.Endpoint())
	const clients = 50
	c.KeepAlive, c.Clients, c.Operations, c.Sessions, c.Preload = true, clients, clients, 1, true
	c.OnMeasure = func() {
		server.CloseAll()
		if !kit.Within(patience, func() bool { return server.Open() == 0 }) {
			t.Error("the connections stay open")
		}
	}
	if r := runs(t, c); r.Failed() != 0 || r.Connections != clients {
		t.Errorf("got %d failures and %d connections, want none and a new connection for each of %d operations", r.Failed(), r.Connections, clients)
	}
}
