package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// serve runs a service of one's own until the test ends: script gets each connection.
func serve(t *testing.T, network string, script func(half)) kit.Endpoint {
	t.Helper()
	at := kit.Unix(t)
	if network == "tcp" {
		at = kit.Loopback()
	}
	l, err := net.Listen(at.Network, at.Address)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			socket, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer socket.Close()
				script(socket.(half))
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return kit.Endpoint{Network: at.Network, Address: l.Addr().String()}
}

// noise is bytes of which none but the first few could be distcache.
func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
	return b
}

// TestHalfClose: the end of one direction is passed on behind all that came before it, and
// the other direction goes on. The reference closes both.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	const size = 3 << 20 // more than sockets hold
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			// The server reads to the end, and only then sends, and ends.
			server := serve(t, network, func(c half) {
				b, err := io.ReadAll(c)
				if err == nil && bytes.Equal(b, noise(size)) {
					_, _ = c.Write(bytes.ToUpper(noise(size)))
				}
			})
			p, at := start(t, server)
			c := kit.Dial(t, at)
			c.SetPatience(patience)
			c.Send(noise(size))
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			got, err := c.ReadAll()
			if err != nil || !bytes.Equal(got, bytes.ToUpper(noise(size))) {
				t.Errorf("got %d bytes, %v, want the %d that the server sent after the client's end", len(got), err, size)
			}
			stop(t, p)
		})
	}
}

// TestServerEndsFirst: what it sent before arrives, and what the client still sends is
// delivered.
func TestServerEndsFirst(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			received := make(chan []byte, 1)
			server := serve(t, network, func(c half) {
				_, _ = c.Write(noise(100_000))
				_ = c.CloseWrite()
				b, _ := io.ReadAll(c)
				received <- b
			})
			_, at := start(t, server)
			c := kit.Dial(t, at)
			got, err := c.ReadAll()
			if err != nil || !bytes.Equal(got, noise(100_000)) {
				t.Fatalf("got %d bytes, %v, want the 100000 that the server sent before its end", len(got), err)
			}
			c.Send(noise(200_000))
			_ = c.Close()
			select {
			case b := <-received:
				if !bytes.Equal(b, noise(200_000)) {
					t.Errorf("got %d bytes at the server, want the 200000 that the client sent after the server's end", len(b))
				}
			case <-time.After(patience):
				t.Error("got no end at the server, want it")
			}
		})
	}
}

// TestCloseAfterSending: a client that asks much and leaves, answers unread, has asked all of
// it. The server is not told that its answers are dropped.
func TestCloseAfterSending(t *testing.T) {
	t.Parallel()
	for _, at := range []kit.Endpoint{kit.Unix(t), kit.Loopback()} {
		t.Run(at.Network, func(t *testing.T) {
			t.Parallel()
			up := kit.NewUpstream(t, at)
			left := make(chan struct{})
			up.On(func(r kit.Request) bool { return r.Number > 1 }).Do(func(x *kit.Exchange) {
				<-left
				x.Write(x.Answer)
			})
			p, front := start(t, up.Endpoint())
			c := kit.Dial(t, front)
			for i := range uint32(50) {
				c.Send(kit.Add(i, fmt.Sprint("id", i), strings.Repeat("d", 5000), time.Minute))
			}
			_ = c.Close()
			close(left)
			kit.Wait(t, patience, "the last session", func() bool { return up.Has("id49") })
			stop(t, p)
			if !strings.Contains(p.Stdout(), "#1 < -- delivery failed: ") || strings.Count(p.Stdout(), " OK ") != 50 {
				t.Errorf("got %s, want 50 answers, and that they were not delivered", p.Stdout())
			}
		})
	}
}

// TestServerFloods: one that goes on and on after its client has left is cut off in the end.
func TestServerFloods(t *testing.T) {
	t.Parallel()
	server := serve(t, "unix", func(c half) {
		for _, err := c.Write(noise(1000)); err == nil; _, err = c.Write(noise(1000)) {
			time.Sleep(time.Millisecond)
		}
	})
	p, at := start(t, server, "-stats", "-json")
	c := kit.Dial(t, at)
	c.Expect(noise(1000))
	_ = c.Close()
	began := time.Now()
	p.Wait(patience, "end of the connection", func() bool {
		p.Signal(syscall.SIGUSR1)
		return strings.Contains(p.Stdout(), `"open":0,`)
	})
	if took := time.Since(began); took < lingerTime/2 {
		t.Errorf("got the end after %v, want it after %v", took, lingerTime)
	}
}

// TestOddPieces: requests and answers arrive as they were sent, in whatever pieces.
func TestOddPieces(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	up.On(func(kit.Request) bool { return true }).Do(kit.ByteByByte)
	p, at := start(t, up.Endpoint())
	c := kit.Dial(t, at)
	request := kit.Add(1, "id", strings.Repeat("d", 3000), time.Minute)
	if err := c.Trickle(request, 7, 0); err != nil {
		t.Fatal(err)
	}
	c.Expect(kit.Status(1, codec.OpAdd, codec.StatusOK))
	c.Send(kit.Get(2, "id"))
	c.Expect(kit.Hit(2, strings.Repeat("d", 3000)))
	wantText(t, wantLines(t, p, 4),
		"#1 > uid=00000001 ADD    len=3010 id=6964/2 data=3000 timeout=60000ms",
		"#1 < uid=00000001 ADD    len=1 OK took=T id=6964/2",
		"#1 > uid=00000002 GET    len=2 id=6964/2",
		"#1 < uid=00000002 GET    len=3000 HIT took=T id=6964/2",
	)
	if got := up.Requests()[0].Wire; !bytes.Equal(got, request) {
		t.Errorf("got %d bytes at the server, want the %d that were sent", len(got), len(request))
	}
}

// TestUndecodable: it is passed on to the byte, and that is said; the other direction is
// decoded all the same.
func TestUndecodable(t *testing.T) {
	t.Parallel()
	server := serve(t, "unix", func(c half) {
		buf := make([]byte, 9)
		if _, err := io.ReadFull(c, buf); err != nil {
			return
		}
		_, _ = c.Write(append(kit.Status(1, codec.OpHave, codec.StatusOK), kit.Status(2, codec.OpHave, codec.StatusOK)[:10]...))
		_, _ = io.Copy(io.Discard, c)
	})
	p, at := start(t, server)
	c := kit.Dial(t, at)
	c.Send([]byte("\x00\x11\x00\x00 what"))
	c.Expect(kit.Status(1, codec.OpHave, codec.StatusOK), kit.Status(2, codec.OpHave, codec.StatusOK)[:10])
	c.Send([]byte(" else"))
	_ = c.Close()
	wantText(t, wantLines(t, p, 4),
		"#1 > -- not distcache: corrupt is_response: want a request (0); passing bytes on undecoded from here on",
		"#1 < uid=00000001 HAVE   len=1 OK unasked: no open request has this uid",
		"#1 > -- ended: 14 bytes passed on undecoded",
		"#1 < -- ended within a message, after 10 bytes",
	)
}

// TestServerIsAway: the client is told by a closed connection, the operator in words, and all
// is well when the server is back.
func TestServerIsAway(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	p, at := start(t, up.Endpoint(), "-stats")
	up.Stop()
	kit.Dial(t, at).ExpectClosed()
	p.WaitStderr(patience, "connection 1 closed: cannot connect to the server: ")
	lines := wantLines(t, p, 1)
	if !strings.Contains(lines[0], "#1 < -- closed: cannot connect to the server: ") {
		t.Errorf("got %s, want it to say that there is no server", lines[0])
	}
	up.Start()
	kit.Dial(t, at).ExpectStatus(kit.Have(1, "id"), codec.StatusNotOK)
	stop(t, p)
	if want := "2 connections: 0 open, peak 1, 1 without a server"; !strings.Contains(p.Stdout(), want) {
		t.Errorf("got no %q, want it in the summary", want)
	}
}

// TestServerIsCrowded: where its backlog is full, the kernel says “try again”, and that is
// done until there is room.
func TestServerIsCrowded(t *testing.T) {
	t.Parallel()
	at := kit.Unix(t)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err = errors.Join(err, unix.Bind(fd, &unix.SockaddrUnix{Name: at.Address}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	l, err := listenerOf(fd)
	if err = errors.Join(err, unix.Close(fd)); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	waiting := 0
	for ; err == nil; waiting++ {
		var crowd net.Conn
		if crowd, err = net.Dial("unix", at.Address); err == nil {
			defer crowd.Close()
		}
	}
	p, front := start(t, at)
	c := kit.Dial(t, front)
	c.Send([]byte("let me in"))
	c.ExpectQuiet(20 * time.Millisecond)
	go func() {
		for socket, err := l.Accept(); err == nil; socket, err = l.Accept() {
			_, _ = socket.Write([]byte("welcome"))
			_ = socket.Close()
		}
	}()
	c.Expect([]byte("welcome"))
	if waiting < 2 || strings.Contains(p.Stdout(), "no connection") {
		t.Errorf("got %d connections that wait, and %q, want the backlog full", waiting-1, p.Stdout())
	}
}

// TestBrokenOff: an RST becomes an orderly end, behind what was accepted before it.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	up.Put("id", "data", time.Minute)
	up.Expect(codec.OpGet, "id").Do(kit.CutReset(15))
	p, at := start(t, up.Endpoint())
	c := kit.Dial(t, at)
	c.Send(kit.Get(1, "id"))
	c.Expect(kit.Hit(1, "data")[:15])
	c.ExpectClosed()
	_ = c.Close()
	lines := wantLines(t, p, 4)
	wantText(t, lines[:3],
		"#1 > uid=00000001 GET    len=2 id=6964/2",
		"#1 < -- connection lost: connection reset by peer",
		"#1 < -- ended within a message, after 15 bytes",
	)
	wantText(t, lines[3:], "#1 < -- closed with 1 request unanswered")
}

// TestServerTakesNoMore: what cannot be delivered is said, and the client gets to know.
func TestServerTakesNoMore(t *testing.T) {
	t.Parallel()
	server := serve(t, "unix", func(c half) {
		_, _ = c.Write([]byte("bye"))
	})
	p, at := start(t, server)
	c := kit.Dial(t, at)
	c.Expect([]byte("bye"))
	c.ExpectClosed()
	kit.Wait(t, patience, "error of a write", func() bool { return c.Write([]byte("more")) != nil })
	if err := c.Write([]byte("more")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("got error %v, want EPIPE", err)
	}
	_ = c.Close()
	p.Wait(patience, "note", func() bool { return strings.Contains(p.Stdout(), "#1 > -- delivery failed: broken pipe") })
}

// TestServerOnlyTalks: when it takes no more, the client gets to know, and what the server
// sends still arrives.
func TestServerOnlyTalks(t *testing.T) {
	t.Parallel()
	heard := make(chan struct{})
	server := serve(t, "unix", func(c half) {
		_ = c.CloseRead()
		<-heard
		_, _ = c.Write([]byte("after that"))
	})
	_, at := start(t, server)
	c := kit.Dial(t, at)
	kit.Wait(t, patience, "EPIPE", func() bool { return errors.Is(c.Write([]byte("more")), syscall.EPIPE) })
	close(heard)
	c.Expect([]byte("after that"))
	c.ExpectClosed()
}

// TestManyConnections: each gets its own answers.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	const clients, rounds = 50, 10
	up := kit.NewUpstream(t, kit.Unix(t))
	p, at := start(t, up.Endpoint(), "-stats")
	post := p.Post()
	failed := make(chan error, clients)
	for n := range clients {
		go func() { failed <- ask(at, n, rounds) }()
	}
	for range clients {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	slack := kit.DefaultSlack()
	slack.RSS = 256 << 20 // the race detector needs much
	post.Check(slack)
	stop(t, p)
	if got := strings.Count(p.Stdout(), " uid="); got != 4*clients*rounds {
		t.Errorf("got %d messages, want %d", got, 4*clients*rounds)
	}
	if want := fmt.Sprintf("%d connections: 0 open", clients*rounds); !strings.Contains(p.Stdout(), want) {
		t.Errorf("got no %q, want it in the summary", want)
	}
}

// ask adds and gets sessions that are its own, over a connection each.
func ask(at kit.Endpoint, n, rounds int) error {
	for r := range rounds {
		id := fmt.Sprintf("%d.%d", n, r)
		c, err := kit.Connect(at)
		if err != nil {
			return err
		}
		c.SetPatience(patience)
		_, err = c.Do(kit.Add(1, id, "data of "+id, time.Minute))
		if err == nil {
			var m codec.Message
			m, err = c.Do(kit.Get(1, id))
			if got := m.Payload(nil); err == nil && string(got) != "data of "+id {
				err = fmt.Errorf("%s: got %q, want its own data", id, got)
			}
		}
		if err := errors.Join(err, c.Close()); err != nil {
			return err
		}
	}
	return nil
}
