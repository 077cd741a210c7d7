package upstream

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestU02DownIsAnsweredAtOnce: while it is known that there is no dc_server, requests are
// answered within 5 ms (p99), however the attempts to connect end.
func TestU02DownIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		server func(t *testing.T) kit.Endpoint
		reason string
	}{
		{"refused", refusing, "connection refused"},
		{"the backlog is full", func(t *testing.T) kit.Endpoint { return newFullBacklog(t).at }, "timed out while connecting or waiting for the first answer"},
		{"accepts and hangs", hanging, "timed out while connecting or waiting for the first answer"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			jitter := kit.MeasureJitter(t)
			process, at := start(t, row.server(t), millis("-retry", retry))
			process.WaitStderr(patience, row.reason)
			began := time.Now()
			load := kit.StartLoad(t, at, 20, 5*time.Millisecond)
			time.Sleep(attempt + retry) // an attempt, of each kind
			down := load.Since(began)
			load.Stop()
			if len(down) < 100 {
				t.Fatalf("got %d answers, want 100 and more", len(down))
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

// TestU02FullBacklogHeals: once the server accepts, it is used.
func TestU02FullBacklogHeals(t *testing.T) {
	t.Parallel()
	jitter := kit.MeasureJitter(t)
	full := newFullBacklog(t)
	process, at := start(t, full.at, millis("-retry", retry))
	asked := time.Now() // the very first wait for the connection, but not for long
	kit.Dial(t, at).ExpectStatus(kit.Have(1, "nobody's"), codec.StatusDisconnected)
	jitter.MustTake(t, "first answer", time.Since(asked), 0, 250*time.Millisecond+kit.Promptly)
	process.WaitStderr(patience, "no connection to dc_server")
	full.close(t)
	up := kit.NewUpstream(t, full.at)
	back := time.Now()
	process.WaitStderr(patience, "connected to dc_server")
	jitter.MustTake(t, "connection", time.Since(back), 0, attempt+retry+100*time.Millisecond)
	kit.Dial(t, at).ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	if up.Conns() != 1 {
		t.Errorf("got %d connections, want one", up.Conns())
	}
}

// refusing is a port on which nobody listens.
func refusing(t *testing.T) kit.Endpoint {
	up := kit.NewUpstream(t, loopback(t))
	up.Stop()
	return up.Endpoint()
}

// hanging is a server that accepts, and neither reads nor writes.
func hanging(t *testing.T) kit.Endpoint {
	up := kit.NewUpstream(t, kit.Loopback())
	up.OnConnect(kit.StopReading)
	return up.Endpoint()
}

// loopback is a port of an address of this machine that nobody else uses: a port that is
// given up is not given to another test.
func loopback(t *testing.T) kit.Endpoint {
	r := kit.Random(t)
	return kit.Endpoint{Network: "tcp", Address: fmt.Sprintf("127.%d.%d.%d:0", 1+r.IntN(254), r.IntN(256), 1+r.IntN(254))}
}

// fullBacklog listens and does not accept; its backlog is full.
type fullBacklog struct {
	at      kit.Endpoint
	fd      int
	waiting []net.Conn
}

func newFullBacklog(t *testing.T) *fullBacklog {
	t.Helper()
	host, _, _ := strings.Cut(loopback(t).Address, ":")
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := &fullBacklog{fd: fd}
	t.Cleanup(func() { b.close(t) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte(net.ParseIP(host).To4())}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	b.at = kit.Endpoint{Network: "tcp", Address: fmt.Sprintf("%s:%d", host, name.(*unix.SockaddrInet4).Port)}
	for range 10 {
		c, err := net.DialTimeout("tcp", b.at.Address, 200*time.Millisecond)
		if err != nil {
			return b // it hangs
		}
		b.waiting = append(b.waiting, c)
	}
	t.Fatal("got 10 connections, want the backlog full")
	return nil
}

// close ends it, once.
func (b *fullBacklog) close(t *testing.T) {
	if b.fd < 0 {
		return
	}
	if err := unix.Close(b.fd); err != nil {
		t.Error(err)
	}
	for _, c := range b.waiting {
		_ = c.Close()
	}
	b.fd = -1
}
