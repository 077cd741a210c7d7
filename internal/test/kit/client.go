package kit

import (
	"bytes"
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
)

// Client is a Conn that belongs to a test: what does not come as expected fails it. Its
// own methods must run in the test's goroutine; those of Conn need not.
type Client struct {
	*Conn
	t testing.TB
}

// Dial connects to whatever listens there, until the test ends.
func Dial(t testing.TB, at Endpoint) *Client {
	t.Helper()
	conn, err := Connect(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &Client{conn, t}
}

// Send sends all the bytes in one write.
func (c *Client) Send(b ...[]byte) {
	c.t.Helper()
	if err := c.Write(b...); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// Expect reads as many bytes as want has, which must be those.
func (c *Client) Expect(want ...[]byte) {
	c.t.Helper()
	all := slices.Concat(want...)
	got, err := c.Read(len(all))
	if err != nil {
		c.t.Fatalf("got %d bytes (%s), then %v, want %d (%s)", len(got), brief(got), err, len(all), brief(all))
	}
	if !bytes.Equal(got, all) {
		c.t.Fatalf("got %s, want %s", brief(got), brief(all))
	}
}

// Answer sends a request and gives the answer's payload; uid and operation must be the
// request's.
func (c *Client) Answer(request []byte) []byte {
	c.t.Helper()
	var asked codec.Assembler
	q, err := asked.Next(request)
	if err != nil {
		c.t.Fatalf("the request to send: %v", err)
	}
	m, err := c.Do(request)
	if err != nil {
		c.t.Fatalf("the answer to %v: %v", q.Op, err)
	}
	if m.UID != q.UID || m.Op != q.Op {
		c.t.Fatalf("got an answer with uid %#x, %v, want %#x, %v", m.UID, m.Op, q.UID, q.Op)
	}
	return m.Payload(nil)
}

// ExpectStatus sends a request, whose answer must be that one status byte.
func (c *Client) ExpectStatus(request []byte, want codec.Status) {
	c.t.Helper()
	if got := c.Answer(request); len(got) != 1 || codec.Status(got[0]) != want {
		c.t.Fatalf("got %s, want the one byte of %v", brief(got), want)
	}
}

// ExpectClosed waits until the other side has closed; nothing may come before that.
func (c *Client) ExpectClosed() {
	c.t.Helper()
	got, err := c.ReadAll()
	if len(got) > 0 {
		c.t.Fatalf("got %s, want the connection closed without a byte", brief(got))
	}
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatalf("got %v, want the connection closed", err)
	}
}

// ExpectQuiet holds that nothing arrives for that long, neither bytes nor the end.
func (c *Client) ExpectQuiet(d time.Duration) {
	c.t.Helper()
	if err := c.Quiet(d); err != nil {
		c.t.Fatalf("got %v within %v, want nothing", err, d)
	}
}
