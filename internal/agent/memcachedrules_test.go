package agent

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/front/memcached"
	"distcache/internal/test/kit"
)

// inPieces lets client 1 send text in pieces of size bytes, as far as it is read from.
func (r *memRig) inPieces(text string, size int) {
	for b := []byte(text); len(b) > 0 && !r.closed[1]; {
		buf := r.Front.Buffer(1)
		if len(buf) == 0 {
			r.t.Fatalf("client 1 is not read from, with %d bytes left", len(b))
		}
		n := copy(buf, b[:min(size, len(b))])
		b = b[n:]
		r.Front.Received(1, buf[:n], r.now)
		r.TurnEnded(r.now)
	}
}

// TestD04OneProtocol: the first byte of a connection tells its protocol for good, however the bytes are cut.
func TestD04OneProtocol(t *testing.T) {
	noop, noopAnswer := binaryRequest(0x0a, "", "", ""), binaryAnswer(0x0a, 0, "")
	tell := binaryRequest(0x0b, "", "", "") // the opcode of a NOOP would end a line
	for _, row := range []struct {
		name, send, want string
		closed           bool
	}{
		{"text after binary, shorter than a header", noop + "version\r\n", noopAnswer, false},
		{"text after binary", noop + strings.Repeat("version\r\n", 3), noopAnswer, true},
		{"binary after text", "version\r\n" + tell, "VERSION 1.6.18\r\n", false},
		{"binary after text, and the end of a line", "version\r\n" + tell + "\r\n", "VERSION 1.6.18\r\nERROR\r\n", false},
		{"binary, one byte late", "\n" + tell + "\n", "ERROR\r\nERROR\r\n", false},
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			r := upMemRig(t)
			r.inPieces(row.send, size)
			r.mustGetBytes(1, []byte(row.want))
			if r.closed[1] != row.closed {
				t.Errorf("%s, in pieces of %d: got closed %v, want %v", row.name, size, r.closed[1], row.closed)
			}
		}
	}
}

// TestD04WhatIsTooLargeIsDropped: a value that is refused is dropped as it comes, to its last byte, and what
// follows is the next request.
func TestD04WhatIsTooLargeIsDropped(t *testing.T) {
	const size = 33_000
	value := strings.Repeat("v", size)
	extras := "\x00\x00\x00\x00\x00\x00\x00\x3c"
	large := binaryRequest(0x02, extras, "k", "")
	large = large[:8] + string([]byte{0, 0, byte((size + 9) >> 8), byte((size + 9) & 0xff)}) + large[12:]
	for _, row := range []struct{ name, send, want string }{
		{"text", "add k 0 60 33000\r\n" + value + "\r\nversion\r\n", "SERVER_ERROR object too large for cache\r\nVERSION 1.6.18\r\n"},
		{"text, noreply", "add k 0 60 33000 noreply\r\n" + value + "\r\nversion\r\n", "VERSION 1.6.18\r\n"},
		{"binary", large + value + binaryRequest(0x0a, "", "", ""), binaryAnswer(0x02, 3, "Too large.") + binaryAnswer(0x0a, 0, "")},
		{"an opcode that is none, with a body", binaryRequest(0x55, "extra", "key", value[:1000]) + binaryRequest(0x0a, "", "", ""),
			binaryAnswer(0x55, 0x81, "Unknown command") + binaryAnswer(0x0a, 0, "")},
	} {
		for _, size := range []int{1, 1000, 1 << 20} {
			r := upMemRig(t)
			r.inPieces(row.send, size)
			r.mustGetBytes(1, []byte(row.want))
			if r.closed[1] || r.pool.Lent() > 0 {
				t.Errorf("%s, in pieces of %d: got closed %v and %d bytes held, want neither", row.name, size, r.closed[1], r.pool.Lent())
			}
		}
	}
}

// TestD04KeysOfAGet: a get of more keys than may be open goes on where it stopped, however it was cut.
func TestD04KeysOfAGet(t *testing.T) {
	const gets = "gets a b  c d e \r\n"
	for cut := range len(gets) {
		r := upMemRig(t)
		r.send(1, []byte(gets[:cut]))
		r.send(1, []byte(gets[cut:]))
		var asked int
		for all := r.seen(); len(all) > 0; all = r.seen() {
			for _, m := range all {
				asked++
				r.answer(m, "session")
			}
		}
		var want strings.Builder
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			want.WriteString("VALUE " + key + " 0 7 0\r\nsession\r\n")
		}
		r.mustGetBytes(1, []byte(want.String()+"END\r\n"))
		if asked != 5 {
			t.Errorf("cut at %d: got %d gets sent on, want 5", cut, asked)
		}
	}
}

// TestD07LivesSentOn: what dc_server is sent for each expiry, and when the wall clock is read, which jumps by an
// hour each time.
func TestD07LivesSentOn(t *testing.T) {
	const now, week = 1_900_000_000, 7 * 24 * time.Hour
	binarySet := func(expiry string) string { return binaryRequest(0x01, "\x00\x00\x00\x00"+expiry, "k", "value") }
	for _, row := range []struct {
		name, send string
		op         codec.Op
		life       time.Duration
		reads      int
	}{
		{"0", "set k 0 0 5\r\nvalue\r\n", codec.OpAdd, week, 0},
		{"relative", "set k 0 299 5\r\nvalue\r\n", codec.OpAdd, 299 * time.Second, 0},
		{"over 7 days", "set k 0 2592000 5\r\nvalue\r\n", codec.OpAdd, week, 0},
		{"negative", "set k 0 -1 5\r\nvalue\r\n", codec.OpRemove, 0, 0},
		{"negative, add", "add k 0 -1 5\r\nvalue\r\n", codec.OpHave, 0, 0},
		{"absolute", "set k 0 1900000060 5\r\nvalue\r\n", codec.OpAdd, time.Minute, 1},
		{"absolute, add", "add k 0 1900000060 5\r\nvalue\r\n", codec.OpAdd, time.Minute, 1},
		{"past", "set k 0 1899999999 5\r\nvalue\r\n", codec.OpRemove, 0, 1},
		{"past, add", "add k 0 1899999999 5\r\nvalue\r\n", codec.OpHave, 0, 1},
		{"over 32 bits", "set k 0 4294967356 5\r\nvalue\r\n", codec.OpAdd, time.Minute, 0},
		{"binary, relative", binarySet("\x00\x00\x00\x3c"), codec.OpAdd, time.Minute, 0},
		{"binary, absolute", binarySet("\x71\x3f\xb3\x3c"), codec.OpAdd, time.Minute, 1},
		{"binary, past", binarySet("\x71\x3f\xb3\x00"), codec.OpRemove, 0, 1},
		{"binary, all ones", binarySet("\xff\xff\xff\xff"), codec.OpAdd, week, 1},
	} {
		clock, reads := int64(now), 0
		r := newMemRig(t, func(c *memcached.Config) { c.UnixNow = func() int64 { reads++; return clock } })
		r.comeUp()
		r.come(1)
		r.send(1, []byte(row.send))
		m := r.seenOne()
		add, status := codec.ParseAdd(m.Payload(nil))
		if m.Op != row.op || row.op == codec.OpAdd && (status != codec.StatusOK || add.Timeout != row.life) || reads != row.reads {
			t.Errorf("%s: got %v for %v with %d looks at the clock, want %v for %v with %d", row.name, m.Op, add.Timeout, reads, row.op, row.life, row.reads)
		}
		r.answer(m, "\x00")
		clock += 3600
		r.come(2)
		r.send(2, []byte("add again 0 1900003660 5\r\nvalue\r\n"))
		m = r.seenOne()
		if add, _ = codec.ParseAdd(m.Payload(nil)); add.Timeout != time.Minute {
			t.Errorf("%s: got %v for an absolute time after the clock was set, want a minute from then", row.name, add.Timeout)
		}
	}
}

// TestD11AFloodTakesItsShare: of a client that pipelines without end no more is sent on, and held, than its window has, and the request of a
// client of the other front comes next.
func TestD11AFloodTakesItsShare(t *testing.T) {
	config := testConfig()
	config.Window = 64
	for _, row := range []struct {
		line string
		most int
	}{{"get k\r\n", config.Gets}, {"delete k\r\n", memcached.Window}, {"set k 0 0 5 noreply\r\nvalue\r\n", 1}} {
		r := newMemRigWith(t, config, nil)
		r.comeUp()
		r.come(1)
		flood := bytes.Repeat([]byte(row.line), 20_000)
		for buf := r.Front.Buffer(1); len(buf) > 0 && len(flood) > 0; buf = r.Front.Buffer(1) {
			n := copy(buf, flood)
			flood = flood[n:]
			r.Front.Received(1, buf[:n], r.now)
		}
		if r.pool.Lent() > 64<<10 {
			t.Errorf("%q: got %d bytes held for a client, want one read at most", row.line, r.pool.Lent())
		}
		r.distcache.Opened(2, r.now)
		r.distcache.Received(2, append(r.distcache.Buffer(2)[:0], kit.Have(7, "id")...), r.now)
		r.TurnEnded(r.now)
		for turn := range 3 {
			all := r.seen()
			if last := all[len(all)-1]; turn == 0 && (len(all) != row.most+1 || last.Op != codec.OpHave) {
				t.Fatalf("%q: got %d requests sent on, the last a %v, want %d and then the other client's", row.line, len(all), last.Op, row.most)
			} else if len(all) > row.most+1 {
				t.Errorf("%q: got %d requests sent on after the answers, want %d at most", row.line, len(all), row.most)
			}
			for _, m := range all {
				r.answer(m, "\x00")
			}
		}
	}
}
