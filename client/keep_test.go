package client

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestKeep: without Persistent too, operations that follow each other use one connection, also when the
// service was restarted in between.
func TestKeep(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	c := open(t, up.Endpoint(), Options{Keep: patience})
	for restarts := range 3 {
		for range 1000 {
			wantHave(t, c, []byte("id"), false)
		}
		wantConns(t, up, restarts+1)
		up.Stop()
		wantErr(t, "Have, without a service", ask(t, c, codec.OpHave), ErrDisconnected)
		up.Start()
	}
}

// TestKeepEnds: a connection is closed once it was not used for so long.
func TestKeepEnds(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	c := open(t, up.Endpoint(), Options{Keep: 10 * time.Millisecond})
	for n := range 3 {
		wantHave(t, c, []byte("id"), false)
		wantOpen(t, up, 0)
		wantConns(t, up, n+1)
	}
}

// TestKeepFew: of many operations at once a few connections are kept.
func TestKeepFew(t *testing.T) {
	const many = 20
	up := kit.NewUpstream(t, kit.Unix(t))
	everybody := make(chan struct{})
	up.After(0).Do(func(x *kit.Exchange) {
		<-everybody
		x.Write(x.Answer)
	})
	c := open(t, up.Endpoint(), Options{Keep: patience, Timeout: patience})
	var all sync.WaitGroup
	for range many {
		all.Go(func() { wantHave(t, c, []byte("id"), false) })
	}
	kit.Wait(t, patience, "all requests", func() bool { return up.Open() == many })
	close(everybody)
	all.Wait()
	wantOpen(t, up, maxKept)
	_ = c.Close()
	wantOpen(t, up, 0)
}

// ending is how a service ends its first connection after the first answer.
type ending struct {
	name  string
	end   func(t *testing.T, c *net.UnixConn)
	taken bool // it has read the second request
}

var endings = []ending{
	{"refusing", func(_ *testing.T, c *net.UnixConn) {
		_ = c.CloseRead() // as dc_client does before it closes
		time.Sleep(50 * time.Millisecond)
	}, false},
	{"unread", func(_ *testing.T, c *net.UnixConn) { awaitBytes(c) }, false},
	{"unanswered", func(t *testing.T, c *net.UnixConn) { readRequest(t, c) }, true},
}

// awaitBytes waits until there is something to read, and does not read it.
func awaitBytes(c *net.UnixConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return n > 0 || err != syscall.EAGAIN
	})
}

// readRequest returns the next request, or false at the end.
func readRequest(t *testing.T, c net.Conn) (codec.Message, bool) {
	var b []byte
	part := make([]byte, 4096)
	a := codec.NewAssembler(codec.Request)
	for {
		n, err := c.Read(part)
		if b = append(b, part[:n]...); err != nil {
			return codec.Message{}, false
		}
		m, err := a.Next(b)
		if err == nil {
			return m, true
		}
		if err != codec.ErrShort {
			t.Errorf("got the request %x: %v", b, err)
			return m, false
		}
	}
}

// serveEnding ends its first connection so, and answers OK on the others. read counts the requests that
// it has read.
func serveEnding(t *testing.T, e ending) (at string, read *atomic.Int32) {
	path := kit.Unix(t).Address
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	read = new(atomic.Int32)
	var serving sync.WaitGroup
	serving.Go(func() {
		for n := 0; ; n++ {
			c, err := listener.AcceptUnix()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				for {
					m, ok := readRequest(t, c)
					if !ok {
						return
					}
					read.Add(1)
					_, _ = c.Write(kit.Answer(m.UID, m.Op, []byte{byte(codec.StatusOK)}))
					if n == 0 {
						e.end(t, c)
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return "UNIX:" + path, read
}

// TestKeptIsLost: an operation is repeated when the service cannot have carried it out, or when it changes
// nothing. An Add or a Remove that may have been carried out fails, as on a new connection.
func TestKeptIsLost(t *testing.T) {
	for _, e := range endings {
		for op := range codec.Op(codec.NumOps) {
			for _, persistent := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%v/persistent=%v", e.name, op, persistent), func(t *testing.T) {
					at, read := serveEnding(t, e)
					c := openAt(t, at, Options{Keep: patience, Persistent: persistent})
					wantErr(t, "the first", ask(t, c, codec.OpHave), nil)
					if e.name == "refusing" {
						kit.Wait(t, patience, "the first request", func() bool { return read.Load() == 1 })
						time.Sleep(5 * time.Millisecond)
					}
					err := ask(t, c, op)
					changes := op == codec.OpAdd || op == codec.OpRemove
					if e.taken && (changes || persistent) {
						wantErr(t, "the second", err, ErrDisconnected)
						wantErr(t, "the second", err, io.ErrUnexpectedEOF)
					} else {
						wantErr(t, "the second", err, nil)
					}
					if want := int32(2); read.Load() != want && !e.taken {
						t.Errorf("got %d requests read, want %d", read.Load(), want)
					}
					var told *Error
					if errors.As(err, &told) && told.Retried {
						t.Errorf("got %v, want one that was sent once", err)
					}
				})
			}
		}
	}
}
