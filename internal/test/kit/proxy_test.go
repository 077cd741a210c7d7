package kit

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
)

// through gives a Client of an honest Upstream behind a Proxy; they have talked.
func through(t *testing.T, at Endpoint) (*Client, *Proxy, *Upstream) {
	t.Helper()
	u := NewUpstream(t, at)
	u.Put("id", "data", time.Hour)
	p := NewProxy(t, u.Endpoint())
	c := Dial(t, p.Endpoint())
	c.ExpectStatus(Have(0, "id"), codec.StatusOK)
	return c, p, u
}

// pipe gives both ends of a connection through a Proxy, for exact bytes both ways.
func pipe(t *testing.T, at Endpoint) (*Client, *Proxy, net.Conn) {
	t.Helper()
	l, at, err := at.listen()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	p := NewProxy(t, at)
	c := Dial(t, p.Endpoint())
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	_ = far.SetDeadline(time.Now().Add(Patience))
	Wait(t, Patience, "connection passed on", func() bool { return p.Conns() == 1 })
	return c, p, far
}

func TestProxyPassesOn(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, at Endpoint) {
		c, p, u := through(t, at)
		if p.Endpoint() == u.Endpoint() {
			t.Fatalf("got %v for both, want two endpoints", p.Endpoint())
		}
		c.Send(Get(1, "id"))
		c.Expect(Hit(1, "data"))
		if p.Conns() != 1 || u.Conns() != 1 {
			t.Errorf("got %d and %d connections, want 1 and 1", p.Conns(), u.Conns())
		}
		_ = c.Close()
		Wait(t, Patience, "end of both", func() bool { return u.Open() == 0 && p.open() == 0 })
	})
}

func (p *Proxy) open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pairs)
}

func TestProxyPassesManyBytesOn(t *testing.T) {
	all := make([]byte, 3<<20)
	rng := Random(t)
	for i := range all {
		all[i] = byte(rng.Uint32())
	}
	for _, sizes := range [][]int{nil, {1021, 1, 16384}} {
		onEachNetwork(t, func(t *testing.T, at Endpoint) {
			c, p, far := pipe(t, at)
			p.Up.Chunks(sizes...)
			sent := make(chan error, 1)
			go func() {
				_, err := c.Socket().Write(all)
				_ = c.CloseWrite()
				sent <- err
			}()
			got, err := io.ReadAll(far)
			if !bytes.Equal(got, all) || err != nil {
				t.Errorf("got %d bytes, %v, want the %d sent", len(got), err, len(all))
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLaneChunksAndGap(t *testing.T) {
	c, p, far := pipe(t, Loopback())
	p.Up.Chunks(3, 1)
	p.Up.Gap(100 * time.Millisecond)
	began := time.Now()
	c.Send([]byte("abcdefg"))
	b := make([]byte, 16)
	if n, err := far.Read(b); string(b[:n]) != "abc" || err != nil {
		t.Errorf("got %q, %v first, want abc", b[:n], err)
	}
	if n, err := far.Read(b); string(b[:n]) != "d" || err != nil {
		t.Errorf("got %q, %v second, want d", b[:n], err)
	}
	if n, err := far.Read(b); string(b[:n]) != "efg" || err != nil {
		t.Errorf("got %q, %v third, want efg", b[:n], err)
	}
	if took := time.Since(began); took < 200*time.Millisecond || took > Patience {
		t.Errorf("got it after %v, want two gaps of 100ms and not much more", took)
	}
	send(t, far, []byte("the other lane is as it was"))
	c.Expect([]byte("the other lane is as it was"))
}

func TestLaneDelay(t *testing.T) {
	c, p, _ := through(t, Unix(t))
	p.Up.Delay(40 * time.Millisecond)
	p.Down.Delay(60 * time.Millisecond)
	began := time.Now()
	c.Send(Get(1, "id"))
	c.Expect(Hit(1, "data"))
	if took := time.Since(began); took < 100*time.Millisecond || took > Patience {
		t.Errorf("got the answer after %v, want 100ms and not much more", took)
	}
	p.Up.Delay(0)
	p.Down.Delay(0)
	c.Send(Get(2, "id"))
	c.Expect(Hit(2, "data"))
}

// Twenty requests over a way of 100 ms take 100 ms and not 2 s.
func TestLaneDelayIsOfEachByteByItself(t *testing.T) {
	c, p, _ := through(t, Unix(t))
	const d = 100 * time.Millisecond
	p.Down.Delay(d)
	began := time.Now()
	for uid := range uint32(20) {
		c.Send(Get(uid, "id"))
	}
	for uid := range uint32(20) {
		c.Expect(Hit(uid, "data"))
	}
	if took := time.Since(began); took < d {
		t.Errorf("got all after %v, want %v at least", took, d)
	} else if took > 10*d {
		TooSlow(t, "got all after %v, want %v and far less than 20 times as much", took, d)
	}
}

func TestLanePauseAndResume(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, at Endpoint) {
		c, p, u := through(t, at)
		p.Down.Pause()
		c.Send(Get(1, "id"), Get(2, "id"))
		Wait(t, Patience, "requests, by the lane that goes on", func() bool { return u.Asked() == 3 })
		c.ExpectQuiet(30 * time.Millisecond)
		p.Down.Resume()
		c.Expect(Hit(1, "data"), Hit(2, "data"))
		p.Up.Pause()
		c.Send(Get(3, "id"))
		c.ExpectQuiet(30 * time.Millisecond)
		if u.Asked() != 3 {
			t.Errorf("got %d requests past a pause, want 3", u.Asked())
		}
		p.Up.Resume()
		c.Expect(Hit(3, "data"))
	})
}

// A paused lane fills up and then holds its sender back; nothing is lost.
func TestLanePauseHoldsTheSenderBack(t *testing.T) {
	c, p, far := pipe(t, Unix(t))
	p.Up.Pause()
	c.SetPatience(100 * time.Millisecond)
	all := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	_ = c.Socket().SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	n, err := c.Socket().Write(all)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %d bytes written, %v, want the sender held back", n, err)
	}
	_ = c.CloseWrite()
	p.Up.Resume()
	if got, err := io.ReadAll(far); !bytes.Equal(got, all[:n]) || err != nil {
		t.Errorf("got %d bytes, %v, want the %d written", len(got), err, n)
	}
}

func TestLaneSwallow(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, at Endpoint) {
		c, p, u := through(t, at)
		p.Up.Swallow()
		c.Send(Get(1, "id"))
		c.ExpectQuiet(30 * time.Millisecond)
		if u.Asked() != 1 {
			t.Errorf("got %d requests out of a black hole, want 1, from before", u.Asked())
		}
		p.Up.Resume()
		c.Send(Get(2, "id"))
		c.Expect(Hit(2, "data"))
		p.Down.Swallow()
		u.CloseAll()
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		c.ExpectQuiet(30 * time.Millisecond)
	})
}

func TestLaneHalfClose(t *testing.T) {
	c, p, far := pipe(t, Loopback())
	p.Up.HalfClose()
	if got, err := io.ReadAll(far); len(got) != 0 || err != nil {
		t.Errorf("got %q, %v, want the end of the stream", got, err)
	}
	c.Send([]byte("lost"))
	c.ExpectQuiet(20 * time.Millisecond)
	send(t, far, []byte("answer"))
	c.Expect([]byte("answer"))
	_ = far.Close()
	c.ExpectClosed()
}

func TestLaneHalfCloseHoldsForConnectionsToCome(t *testing.T) {
	c, p, u := through(t, Unix(t))
	p.Down.HalfClose()
	c.ExpectClosed()
	late := Dial(t, p.Endpoint())
	late.ExpectClosed()
	p.Down.Resume()
	Dial(t, p.Endpoint()).ExpectStatus(Have(1, "id"), codec.StatusOK)
	if u.Asked() != 2 {
		t.Errorf("got %d requests, want 2", u.Asked())
	}
}

func TestLaneResetAfter(t *testing.T) {
	c, p, far := pipe(t, Loopback())
	p.Down.ResetAfter(5)
	send(t, far, []byte("abcdefg"))
	got, err := c.ReadAll()
	if string(got) != "abcde" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %q, %v, want abcde, %v", got, err, syscall.ECONNRESET)
	}
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v on the other side, want %v", err, syscall.ECONNRESET)
	}
}

func TestLaneFlip(t *testing.T) {
	c, p, far := pipe(t, Loopback())
	p.Down.Flip(3)
	p.Down.Chunks(2)
	send(t, far, []byte("abcde"))
	send(t, far, []byte("fgh"))
	_ = far.Close()
	if got, err := c.ReadAll(); string(got) != "abCdefgh" || err != nil {
		t.Errorf("got %q, %v, want abCdefgh", got, err)
	}
}

func TestProxyPassesTheEndOn(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, at Endpoint) {
		c, _, far := pipe(t, at)
		c.Send([]byte("last words"))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(far); string(got) != "last words" || err != nil {
			t.Errorf("got %q, %v, want the last words and the end", got, err)
		}
		send(t, far, []byte("answer"))
		_ = far.Close()
		c.Expect([]byte("answer"))
		c.ExpectClosed()
	})
}

func TestProxyPassesAResetOn(t *testing.T) {
	c, _, far := pipe(t, Loopback())
	if err := c.Reset(); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want %v", err, syscall.ECONNRESET)
	}
}

func TestProxyEndsConnections(t *testing.T) {
	tests := []struct {
		name string
		end  func(*Proxy)
		want error
	}{
		{"Close", (*Proxy).Close, io.EOF},
		{"Reset", (*Proxy).Reset, syscall.ECONNRESET},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, p, far := pipe(t, Loopback())
			tt.end(p)
			if _, err := c.Read(1); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if _, err := far.Read(make([]byte, 1)); !errors.Is(err, tt.want) {
				t.Errorf("got %v on the other side, want %v", err, tt.want)
			}
		})
	}
}

func TestProxyRefuse(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, at Endpoint) {
		c, p, _ := through(t, at)
		at = p.Endpoint()
		p.Refuse()
		if _, err := Connect(at); !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ENOENT) {
			t.Errorf("got %v, want it refused", err)
		}
		c.ExpectStatus(Have(1, "id"), codec.StatusOK)
		p.Accept()
		Dial(t, at).ExpectStatus(Have(1, "id"), codec.StatusOK)
	})
}

// A connection that was accepted just before Refuse, or the end, is not served after.
func TestProxyJoinsNoneOfAClosedListener(t *testing.T) {
	_, p, _ := through(t, Unix(t))
	p.mu.Lock()
	before := p.listener
	p.mu.Unlock()
	p.Refuse()
	near, client := net.Pipe()
	far, _ := net.Pipe()
	p.join(before, near, far)
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || p.open() != 1 {
		t.Errorf("got %v, %d pairs, want it closed and 1 pair, that of before", err, p.open())
	}
}

func TestProxyOfNobody(t *testing.T) {
	c, p, u := through(t, Unix(t))
	u.Stop()
	c.ExpectClosed()
	Dial(t, p.Endpoint()).ExpectClosed()
	u.Start()
	Dial(t, p.Endpoint()).ExpectStatus(Have(1, "id"), codec.StatusOK)
}
