package upstream

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// TestU02DownIsAnsweredAtOnce: once dc_client knows that dc_server is down, it answers requests
// within 5 ms (p99), however its attempts to connect end.
func TestU02DownIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		server func(t *testing.T) kit.Endpoint
		reason string
	}{
		{"refused", refusing, "connection refused"},
		{"the backlog is full", func(t *testing.T) kit.Endpoint { return kit.FullBacklog(t, kit.Loopback()).At }, noAnswerToSYN},
		{"accepts and hangs", hanging, noAnswerToProbe},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			jitter := kit.MeasureJitter(t)
			process, at := kit.NewRig(t).Unlinked(row.server(t), millis("-retry", retry))
			process.WaitStderr(patience, row.reason)
			began := time.Now()
			load := kit.StartLoad(t, at, 20, kit.Sized(20*time.Millisecond, 5*time.Millisecond))
			time.Sleep(attempt + retry) // an attempt, of each kind
			down := load.Since(began)
			load.Stop()
			if len(down) == 0 {
				t.Fatal("got no answer, want 100 and more")
			}
			if len(down) < 100 {
				kit.TooSlow(t, "got %d answers, want 100 and more", len(down))
			}
			for _, o := range down {
				if o.Served {
					t.Fatal("got an answer of a dc_server that is not there")
				}
			}
			p99 := kit.Quantile(down, 0.99)
			t.Logf("%d requests, p99 %v, the slowest took %v", len(down), p99, kit.Slowest(down))
			jitter.MustTake(t, "p99", p99, 0, 5*time.Millisecond)
		})
	}
}

// The reasons that only the end of an attempt gives.
const (
	noAnswerToSYN   = "no answer to SYN: a firewall, a host that is down, or a full backlog"
	noAnswerToProbe = "connected, but no answer to the first request"
)

// TestF11ReasonsDiffer: each cause has a text of its own, as far as a client can tell them apart.
// A lost SYN is TestF11LostSYN of package network; a full backlog over TCP looks the same.
func TestF11ReasonsDiffer(t *testing.T) {
	t.Parallel()
	that := func(fault kit.Fault) func(*testing.T) kit.Endpoint {
		return func(t *testing.T) kit.Endpoint {
			up := kit.NewUpstream(t, kit.Loopback())
			up.On(func(kit.Request) bool { return true }).Do(fault)
			return up.Endpoint()
		}
	}
	for _, row := range []struct {
		name   string
		server func(t *testing.T) kit.Endpoint
		reason string
	}{
		{"refused", refusing, "connection refused: nothing listens there"},
		{"full backlog", func(t *testing.T) kit.Endpoint { return kit.FullBacklog(t, kit.Loopback()).At }, noAnswerToSYN},
		{"full backlog of a unix socket", fullUnixBacklog, "the backlog is full, dc_server does not accept"},
		{"another service", that(kit.HTTP), "wrong answer to the first request: not a dc_server? ("},
		{"a dc_client without dc_server", that(kit.Reply([]byte{byte(codec.StatusDisconnected)})), "wrong answer to the first request: not a dc_server?"},
		{"one that closes", that(kit.CloseUnanswered), "the connection was closed without an answer to the first request: not a dc_server, or its client limit is reached"},
		{"hung", that(kit.Drop), noAnswerToProbe},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			server := row.server(t)
			process, _ := kit.NewRig(t).Unlinked(server, millis("-retry", retry))
			process.WaitStderr(patience, row.reason)
			for line := range strings.Lines(process.Stderr()) {
				if strings.Contains(line, row.reason) && !strings.Contains(line, server.Address) {
					t.Errorf("got the line %q, want the address %s in it", line, server.Address)
				}
			}
		})
	}
}

// fullUnixBacklog listens at a unix socket and does not accept; its backlog is full.
func fullUnixBacklog(t *testing.T) kit.Endpoint {
	at := kit.Unix(t)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: at.Address}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	waiting, err := net.Dial("unix", at.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = waiting.Close() })
	return at
}

// TestU02FullBacklogHeals: dc_client uses a server once that accepts again.
func TestU02FullBacklogHeals(t *testing.T) {
	t.Parallel()
	jitter := kit.MeasureJitter(t)
	full := kit.FullBacklog(t, kit.Loopback())
	process, at := kit.NewRig(t).Unlinked(full.At, millis("-retry", retry))
	asked := time.Now() // the very first wait for the connection, but not for long
	kit.Dial(t, at).ExpectStatus(kit.Have(1, "nobody's"), codec.StatusDisconnected)
	jitter.MustTake(t, "first answer", time.Since(asked), 0, 250*time.Millisecond+kit.Promptly)
	process.WaitStderr(patience, "no connection to dc_server")
	full.Close()
	up := kit.NewUpstream(t, full.At)
	back := time.Now()
	process.WaitStderr(patience, "connected to dc_server")
	jitter.MustTake(t, "connection", time.Since(back), 0, attempt+retry+100*time.Millisecond)
	kit.Dial(t, at).AwaitStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	if up.Conns() != 1 { // an attempt may have run out of time
		kit.TooSlow(t, "got %d connections, want one", up.Conns())
	}
}

// refusing is a port on which nobody listens.
func refusing(t *testing.T) kit.Endpoint {
	up := kit.NewUpstream(t, kit.Loopback())
	up.Stop()
	return up.Endpoint()
}

// hanging is a server that accepts, and neither reads nor writes.
func hanging(t *testing.T) kit.Endpoint {
	up := kit.NewUpstream(t, kit.Loopback())
	up.OnConnect(kit.StopReading)
	return up.Endpoint()
}

// TestU15FrozenServer stops a real dc_server for a while (SIGSTOP). Meanwhile requests end in
// time. Afterwards the server works without a restart. The long form adds stops of 10 s and two
// minutes.
func TestU15FrozenServer(t *testing.T) {
	t.Parallel()
	rows := []time.Duration{time.Second}
	if kit.Full() {
		rows = append(rows, 10*time.Second, 2*time.Minute)
	}
	for _, frozen := range rows {
		t.Run(frozen.String(), func(t *testing.T) {
			t.Parallel()
			jitter := kit.MeasureJitter(t)
			server, where := kit.NewRig(t).Server()
			process, at := startLinked(t, where)
			load := kit.StartLoad(t, at, 20, 10*time.Millisecond)
			load.FirstServed(patience, time.Now())
			kit.Dial(t, where).ExpectStatus(kit.Add(1, "kept", "data", time.Hour), codec.StatusOK)
			post := process.Post()

			server.Signal(syscall.SIGSTOP)
			stopped := time.Now()
			time.Sleep(frozen)
			kit.Wait(t, patience, "answer while it stands still", func() bool { return len(load.Since(stopped.Add(timeout))) > 0 })
			time.Sleep(timeout) // what is asked from now on it may still answer
			server.Signal(syscall.SIGCONT)
			back := time.Now()
			took := load.FirstServed(patience, back)
			all := load.Stop()
			t.Logf("%d requests, the slowest took %v; service came back after %v", len(all), kit.Slowest(all), took)
			jitter.MustTake(t, "slowest answer", kit.Slowest(all), 0, timeout+kit.Promptly)
			jitter.MustTake(t, "service", took, 0, retry+100*time.Millisecond)
			mustFailWhile(t, all, stopped.Add(timeout), back)
			kit.Dial(t, at).AwaitStatus(kit.Have(1, "kept"), codec.StatusOK)
			post.Check(slack())
		})
	}
}

// mustFailWhile holds that nothing was served that was asked between those times, and a timeout before the second one. What
// was answered after that may be late: the machine was busy.
func mustFailWhile(t *testing.T, all []kit.Outcome, from, to time.Time) {
	t.Helper()
	failed := 0
	for _, o := range all {
		if o.Asked.Before(from) || o.Asked.After(to.Add(-timeout)) {
			continue
		}
		failed++
		switch {
		case !o.Served:
		case o.Asked.Add(o.Took).After(to):
			kit.TooSlow(t, "got an answer of dc_server to a request %v after it could not give any, want DISCONNECTED before", o.Asked.Sub(from))
		default:
			t.Errorf("got an answer of dc_server %v after it could not give any", o.Asked.Sub(from))
		}
	}
	if failed == 0 {
		t.Error("got no answers meanwhile, want some")
	}
}
