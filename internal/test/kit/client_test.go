package kit

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"distcache/codec"
)

// serveOnce answers the next connection with those bytes, after it has read as many as
// it has to, and closes.
func serveOnce(t testing.TB, at Endpoint, reads int, answer []byte) Endpoint {
	t.Helper()
	l, at, err := at.listen()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		sock, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = sock.Close() }()
		_, _ = io.ReadFull(sock, make([]byte, reads))
		_, _ = sock.Write(answer)
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return at
}

func TestClientPasses(t *testing.T) {
	request := Get(5, "id")
	answers := append(Hit(5, "data"), "rest"...)
	c := Dial(t, serveOnce(t, Unix(t), len(request), answers))
	if got := c.Answer(request); string(got) != "data" {
		t.Errorf("got %q, want data", got)
	}
	c.Expect([]byte("re"), []byte("st"))
	c.ExpectClosed()
}

func TestClientFails(t *testing.T) {
	get := Get(5, "id")
	tests := []struct {
		name   string
		reads  int // bytes that the server takes before it answers
		answer []byte
		do     func(c *Client)
		want   string
	}{
		{"other bytes", 0, []byte("abcd"), func(c *Client) { c.Expect([]byte("abce")) }, "they differ from byte 3 on: got 616263[64], want 616263[65]"},
		{"too few bytes", 0, []byte("abc"), func(c *Client) { c.Expect([]byte("abcd")) }, "got 3 bytes (616263), then unexpected EOF, want 4"},
		{"bytes before the end", 0, []byte("a"), func(c *Client) { c.ExpectClosed() }, "got 61, want the connection closed"},
		{"the end, not quiet", 0, nil, func(c *Client) { c.ExpectQuiet(Patience) }, "got EOF within"},
		{"another uid", len(get), Hit(6, "data"), func(c *Client) { c.Answer(get) }, "got an answer with uid 0x6"},
		{"another operation", len(get), Status(5, codec.OpAdd, 0), func(c *Client) { c.Answer(get) }, "ADD, want 0x5, GET"},
		{"no answer", len(get), nil, func(c *Client) { c.Answer(get) }, "the answer to GET: EOF"},
		{"another status", len(get), Status(5, codec.OpGet, 1), func(c *Client) { c.ExpectStatus(get, codec.StatusDisconnected) }, "got 01, want the one byte of DISCONNECTED"},
		{"a status and more", len(get), Hit(5, "\x00\x00"), func(c *Client) { c.ExpectStatus(get, codec.StatusOK) }, "got 0000, want the one byte of OK"},
		{"no status", len(get), Answer(5, codec.OpGet, nil), func(c *Client) { c.ExpectStatus(get, codec.StatusOK) }, "want the one byte of OK"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := whatFails(t, func(t testing.TB) {
				tt.do(Dial(t, serveOnce(t, Endpoint{"unix", SocketDir(t) + "/s"}, tt.reads, tt.answer)))
			})
			mustSay(t, got, tt.want)
		})
	}
}

func TestClientExpectsTheEndAndNotOnlyQuiet(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, at Endpoint) {
		got := whatFails(t, func(tb testing.TB) {
			c, _ := connected(t, at)
			c.t = tb
			c.SetPatience(20 * time.Millisecond)
			c.ExpectClosed()
		})
		mustSay(t, got, "i/o timeout, want the connection closed")
	})
}

func TestClientTakesAResetForClosed(t *testing.T) {
	c, sock := connected(t, Loopback())
	if err := sock.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = sock.Close()
	c.ExpectClosed()
}

func TestDialFails(t *testing.T) {
	got := whatFails(t, func(t testing.TB) { Dial(t, Endpoint{"unix", "/nonexistent/s"}) })
	mustSay(t, got, "connect to UNIX:/nonexistent/s")
}

func TestBrief(t *testing.T) {
	if got := brief([]byte{1, 0xff}); got != "01ff" {
		t.Errorf("got %q, want 01ff", got)
	}
	got := brief(make([]byte, 65))
	if want := "00… (65 bytes)"; got[len(got)-len(want):] != want || len(got) != 128+len(want)-2 {
		t.Errorf("got %q, want 64 bytes and %q", got, want)
	}
}

func TestDifference(t *testing.T) {
	whole := []byte("0123456789abcdefghijklmnopqrstuvwxyz")
	other := bytes.Clone(whole)
	other[12] = '!'
	for _, row := range []struct {
		name      string
		got, want []byte
		text      string
	}{
		{"equal", whole, whole, ""},
		{"one byte", other, whole, "got 36 bytes, want 36; they differ from byte 12 on: " +
			"got …3435363738396162[216465666768696a6b6c6d6e6f707172]…, want …3435363738396162[636465666768696a6b6c6d6e6f707172]…"},
		{"too short", whole[:2], whole[:4], "got 2 bytes, want 4; they differ from byte 2 on: got 3031[], want 3031[3233]"},
		{"nothing", nil, whole[:1], "got 0 bytes, want 1; they differ from byte 0 on: got [], want [30]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := Difference(row.got, row.want); got != row.text {
				t.Errorf("got %q, want %q", got, row.text)
			}
		})
	}
}
