package agent

import (
	"math/rand/v2"
	"testing"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestN07EverySizeThroughAChopper carries a request and an answer of each size there is
// through an agent that is shown them whole, byte by byte, and cut in many ways around the
// boundaries of frames: byte-exact each time. The short form has one size in 61.
func TestN07EverySizeThroughAChopper(t *testing.T) {
	step := kit.Sized(499, 1)
	rows := []struct {
		name string
		step int
		cut  cut
	}{
		{"whole", step, uncut},
		{"byte by byte", step, everyByte},
		{"bytes around each boundary", step, nearBoundaries},
	}
	c := newChopped(t)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			for size := 0; size < codec.MaxPayload; size += row.step {
				c.mustCarry(t, size, row.cut)
			}
			c.mustCarry(t, codec.MaxPayload, row.cut)
		})
	}
	t.Run("in two at every offset around each boundary", func(t *testing.T) {
		for size := 0; size <= codec.MaxPayload; size += step {
			if fromBoundary(size%codec.MaxFrameData, codec.MaxFrameData) <= near {
				c.mustCarryInTwo(t, size)
			}
		}
	})
}

// near is how far from a boundary a message is cut, in bytes.
const near = 5

// cut reports whether there is a cut before byte n of a message.
type cut func(n int) bool

func uncut(int) bool     { return false }
func everyByte(int) bool { return true }

// nearBoundaries cuts before each byte that is near the beginning of a header or of data.
func nearBoundaries(n int) bool {
	const frame = codec.HeaderSize + codec.MaxFrameData
	return fromBoundary(n%frame, frame) <= near || fromBoundary(n%frame, codec.HeaderSize) <= near
}

// fromBoundary is how far n is from 0 and from the end.
func fromBoundary(n, end int) int { return min(n, max(n-end, end-n)) }

// chopped is a rig with one client, and bytes to send: each size has others.
type chopped struct {
	*rig
	random  []byte
	message []byte
}

func newChopped(t *testing.T) *chopped {
	r := upRig(t, testConfig())
	r.come(1)
	c := &chopped{rig: r, random: make([]byte, 2*codec.MaxPayload)}
	source := rand.New(rand.NewPCG(1, 2))
	for i := range c.random {
		c.random[i] = byte(source.Uint32())
	}
	return c
}

// mustCarry has the client ask with size bytes, cut so, and dc_server answer with as many.
func (c *chopped) mustCarry(t *testing.T, size int, at cut) {
	t.Helper()
	c.rig.t = t
	payload := c.random[size : 2*size]
	c.message = codec.AppendMessage(c.message[:0], codec.Request, uint32(size), codec.OpGet, payload)
	inPieces(c.message, at, func(b []byte) { c.send(1, b) })
	forwarded := c.wire.written
	m := c.seenOne()
	if string(m.Payload(nil)) != string(payload) {
		t.Fatalf("dc_server got %d bytes that differ from the %d sent", m.PayloadLen, size)
	}
	c.wire.written = forwarded[:0]
	c.message = codec.AppendMessage(c.message[:0], codec.Response, m.UID, m.Op, payload)
	inPieces(c.message, at, c.reply)
	c.message = codec.AppendMessage(c.message[:0], codec.Response, uint32(size), codec.OpGet, payload)
	if string(c.got[1]) != string(c.message) {
		t.Fatalf("the client got %d bytes, %.40x…, want %d, %.40x…", len(c.got[1]), c.got[1], len(c.message), c.message)
	}
	c.got[1] = c.got[1][:0]
}

// mustCarryInTwo has it cut once, each time before another of the bytes near boundaries.
func (c *chopped) mustCarryInTwo(t *testing.T, size int) {
	t.Helper()
	for where := range codec.MessageSize(size) {
		if nearBoundaries(where) {
			c.mustCarry(t, size, func(n int) bool { return n == where })
		}
	}
}

// inPieces passes b on in pieces.
func inPieces(b []byte, at cut, pass func([]byte)) {
	from := 0
	for n := 1; n < len(b); n++ {
		if at(n) {
			pass(b[from:n])
			from = n
		}
	}
	pass(b[from:])
}
