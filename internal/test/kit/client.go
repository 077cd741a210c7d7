package kit

import (
	"bytes"
	"errors"
	"fmt"
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
	if difference := Difference(got, all); difference != "" {
		c.t.Fatal(difference)
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

// AwaitStatus sends the request until its answer is that one status byte: where there is
// a time without service, or a machine so busy that a request may run into its timeout.
func (c *Client) AwaitStatus(request []byte, want codec.Status) {
	c.t.Helper()
	Wait(c.t, Patience, fmt.Sprintf("answer %v", want), func() bool {
		got := c.Answer(request)
		return len(got) == 1 && codec.Status(got[0]) == want
	})
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

// brief shows bytes in a failure's message: all of a few, the beginning of many.
func brief(b []byte) string {
	const most = 64
	if len(b) <= most {
		return fmt.Sprintf("%x", b)
	}
	return fmt.Sprintf("%x… (%d bytes)", b[:most], len(b))
}

// Difference tells where got first differs from want, with what stands around there; it is
// "" where they are equal.
func Difference(got, want []byte) string {
	if bytes.Equal(got, want) {
		return ""
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	return fmt.Sprintf("got %d bytes, want %d; they differ from byte %d on: got %s, want %s",
		len(got), len(want), at, around(got, at), around(want, at))
}

// around shows the bytes around an offset, in hex; those from the offset on are in brackets.
func around(b []byte, at int) string {
	const before, after = 8, 16
	text := fmt.Sprintf("%x[%x]", b[max(0, at-before):at], b[at:min(len(b), at+after)])
	if at > before {
		text = "…" + text
	}
	if at+after < len(b) {
		text += "…"
	}
	return text
}
