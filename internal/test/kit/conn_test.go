package kit

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
)

// connected gives a Client and the server's end of its connection.
func connected(t *testing.T, at Endpoint) (*Client, net.Conn) {
	t.Helper()
	l, at, err := at.listen()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c := Dial(t, at)
	sock, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sock.Close() })
	_ = sock.SetDeadline(time.Now().Add(Patience))
	return c, sock
}

func onEachNetwork(t *testing.T, test func(t *testing.T, at Endpoint)) {
	for name, at := range networks(t) {
		t.Run(name, func(t *testing.T) { test(t, at) })
	}
}

func send(t *testing.T, sock net.Conn, b []byte) {
	t.Helper()
	if _, err := sock.Write(b); err != nil {
		t.Fatal(err)
	}
}

func TestConnSendsExactBytes(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, at Endpoint) {
		c, sock := connected(t, at)
		c.Send([]byte("any "), nil, []byte("bytes"))
		got := make([]byte, 9)
		if _, err := io.ReadFull(sock, got); err != nil || string(got) != "any bytes" {
			t.Errorf("got %q, %v, want %q", got, err, "any bytes")
		}
	})
}

func TestConnReadsExactly(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, at Endpoint) {
		c, sock := connected(t, at)
		send(t, sock, []byte("abcdefg"))
		if got, err := c.Read(3); string(got) != "abc" || err != nil {
			t.Errorf("got %q, %v, want abc", got, err)
		}
		if got, err := c.Read(2); string(got) != "de" || err != nil {
			t.Errorf("got %q, %v, want de", got, err)
		}
		_ = sock.Close()
		if got, err := c.Read(3); string(got) != "fg" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %q, %v, want fg, %v", got, err, io.ErrUnexpectedEOF)
		}
		if got, err := c.Read(1); len(got) != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("got %q, %v, want nothing, %v", got, err, io.EOF)
		}
	})
}

func TestConnReadMessage(t *testing.T) {
	c, sock := connected(t, Unix(t))
	large := strings.Repeat("x", 5000)
	stream := bytes.Join([][]byte{Hit(1, large), Status(2, codec.OpAdd, codec.StatusAddExists), Hit(3, "cut off")}, nil)
	send(t, sock, stream[:len(stream)-1])
	_ = sock.Close()
	first, err := c.ReadMessage()
	if err != nil || first.UID != 1 || string(first.Payload(nil)) != large {
		t.Fatalf("got uid %d, %d bytes, %v, want 1, 5000 bytes", first.UID, first.PayloadLen, err)
	}
	second, err := c.ReadMessage()
	if err != nil || second.UID != 2 {
		t.Fatalf("got uid %d, %v, want 2", second.UID, err)
	}
	if string(first.Payload(nil)) != large {
		t.Error("got the first message changed by reading the second, want it kept")
	}
	if _, err := c.ReadMessage(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v of the message cut off, want %v", err, io.ErrUnexpectedEOF)
	}
}

func TestConnReadMessageByteByByteAndCorrupt(t *testing.T) {
	c, sock := connected(t, Loopback())
	c.SetPatience(20 * time.Millisecond)
	message := Hit(9, "data")
	for _, b := range message[:len(message)-1] {
		send(t, sock, []byte{b})
	}
	if _, err := c.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v, want %v", err, os.ErrDeadlineExceeded)
	}
	send(t, sock, message[len(message)-1:])
	c.SetPatience(Patience)
	if m, err := c.ReadMessage(); err != nil || m.UID != 9 {
		t.Fatalf("got uid %d, %v, want 9", m.UID, err)
	}
	send(t, sock, Get(1, "a request"))
	var corrupt *codec.CorruptError
	if _, err := c.ReadMessage(); !errors.As(err, &corrupt) {
		t.Errorf("got %v of a request, want it corrupt", err)
	}
}

// After Read has taken a part of a message, the rest is no beginning of one.
func TestConnReadThenReadMessage(t *testing.T) {
	c, sock := connected(t, Unix(t))
	c.SetPatience(20 * time.Millisecond)
	large := Hit(1, strings.Repeat("x", 3000))
	send(t, sock, large[:2500])
	if _, err := c.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v, want %v", err, os.ErrDeadlineExceeded)
	}
	if _, err := c.Read(2500); err != nil {
		t.Fatal(err)
	}
	send(t, sock, Hit(2, "data"))
	if m, err := c.ReadMessage(); err != nil || m.UID != 2 {
		t.Errorf("got uid %d, %v, want 2", m.UID, err)
	}
}

func TestConnReadAll(t *testing.T) {
	c, sock := connected(t, Unix(t))
	all := bytes.Repeat([]byte("0123456789"), 10_000)
	go func() {
		_, _ = sock.Write(all)
		_ = sock.Close()
	}()
	if got, err := c.ReadAll(); !bytes.Equal(got, all) || err != nil {
		t.Errorf("got %d bytes, %v, want %d", len(got), err, len(all))
	}
}

func TestConnTrickle(t *testing.T) {
	c, sock := connected(t, Loopback())
	began := time.Now()
	sent := make(chan error, 1)
	go func() { sent <- c.Trickle([]byte("abcdefg"), 3, 30*time.Millisecond) }()
	got := make([]byte, 16)
	if n, err := sock.Read(got); err != nil || string(got[:n]) != "abc" {
		t.Errorf("got %q, %v first, want abc", got[:n], err)
	}
	if _, err := io.ReadFull(sock, got[:4]); err != nil || string(got[:4]) != "defg" {
		t.Errorf("got %q, %v then, want defg", got[:4], err)
	}
	if took := time.Since(began); took < 60*time.Millisecond || took > Patience {
		t.Errorf("got it all after %v, want two gaps of 30ms and not much more", took)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestConnCloseWrite(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, at Endpoint) {
		c, sock := connected(t, at)
		c.Send([]byte("last words"))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(sock); string(got) != "last words" || err != nil {
			t.Errorf("got %q, %v, want the last words and the end", got, err)
		}
		send(t, sock, []byte("answer"))
		c.Expect([]byte("answer"))
	})
}

func TestConnReset(t *testing.T) {
	c, sock := connected(t, Loopback())
	if err := c.Reset(); err != nil {
		t.Fatal(err)
	}
	if _, err := sock.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want %v", err, syscall.ECONNRESET)
	}
}

func TestConnResetUnix(t *testing.T) {
	c, sock := connected(t, Unix(t))
	send(t, sock, []byte("never read"))
	if err := c.Reset(); err != nil {
		t.Fatal(err)
	}
	if _, err := sock.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want %v", err, syscall.ECONNRESET)
	}
}

func TestConnQuiet(t *testing.T) {
	c, sock := connected(t, Unix(t))
	began := time.Now()
	if err := c.Quiet(30 * time.Millisecond); err != nil {
		t.Errorf("got %v, want quiet", err)
	}
	if took := time.Since(began); took < 30*time.Millisecond || took > Patience {
		t.Errorf("got quiet after %v, want 30ms and not much more", took)
	}
	send(t, sock, []byte("hello"))
	if err := c.Quiet(Patience); err == nil || !strings.Contains(err.Error(), "got 5 bytes") {
		t.Errorf("got %v, want the 5 bytes told", err)
	}
	c.Expect([]byte("hello"))
	_ = sock.Close()
	if err := c.Quiet(Patience); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want %v", err, io.EOF)
	}
}

func TestConnCloseTwice(t *testing.T) {
	c, _ := connected(t, Unix(t))
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("got %v the second time, want nothing", err)
	}
}

func TestConnectNamesTheEndpoint(t *testing.T) {
	_, err := Connect(Endpoint{"unix", "/nonexistent/s"})
	if err == nil || !strings.Contains(err.Error(), "connect to UNIX:/nonexistent/s") {
		t.Errorf("got %v, want an error with the endpoint", err)
	}
}
