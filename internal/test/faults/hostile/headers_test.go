package hostile

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// Where the fields of a header are (PROTOCOL.md, “Frame”).
const (
	atVersion   = 0
	atResponse  = 4
	atClass     = 9
	atOperation = 10
	atComplete  = 11
	atDataLen   = 12
)

// wrongHeaders are whole requests, as long as they say that they are, with one field wrong:
// only who looks at that field knows.
func wrongHeaders() map[string][]byte {
	short := kit.Remove(7, "wrong")
	long := kit.Ask(7, codec.OpRemove, make([]byte, codec.MaxFrameData+1))
	changed := func(request []byte, at int, b ...byte) []byte {
		return slices.Replace(slices.Clone(request), at, at+len(b), b...)
	}
	oversized := slices.Concat(changed(long, atDataLen, 8, 1)[:codec.HeaderSize], make([]byte, codec.MaxFrameData+1))
	oversized[atComplete] = 1
	return map[string][]byte{
		"version 0x0010":             changed(short, atVersion, 0x00, 0x10),
		"version 0x0111":             changed(short, atVersion, 0x01, 0x11),
		"version 0xffff":             changed(short, atVersion, 0xff, 0xff),
		"is_response 1":              changed(short, atResponse, 1),
		"is_response 2":              changed(short, atResponse, 2),
		"op_class 1":                 changed(short, atClass, 1),
		"operation 4":                changed(short, atOperation, 4),
		"complete 2":                 changed(short, atComplete, 2),
		"complete 2, a full frame":   changed(long, atComplete, 2),
		"data_len 2,049":             oversized,
		"incomplete, of 5 bytes":     slices.Concat(changed(short, atComplete, 0), kit.Remove(7, "rest")),
		"incomplete, of 2,047 bytes": incomplete(codec.MaxFrameData - 1),
		"second, wrong version":      changed(long, codec.FrameSize+atVersion, 0x00, 0x10),
		"second, is_response 1":      changed(long, codec.FrameSize+atResponse, 1),
		"second, op_class 1":         changed(long, codec.FrameSize+atClass, 1),
		"second, operation 4":        changed(long, codec.FrameSize+atOperation, 4),
		"second, another operation":  changed(long, codec.FrameSize+atOperation, byte(codec.OpHave)),
		"second, complete 2":         changed(long, codec.FrameSize+atComplete, 2),
		"second, incomplete":         slices.Concat(changed(long, codec.FrameSize+atComplete, 0), kit.Remove(7, "rest")),
	}
}

// incomplete is a request of two frames, the first of which has n bytes.
func incomplete(n int) []byte {
	first := kit.Ask(7, codec.OpRemove, make([]byte, n))
	first[atComplete] = 0
	return slices.Concat(first, kit.Remove(7, "rest"))
}

// TestH07WrongHeadersAreNotForwarded: a client that sends a wrong header is closed without an
// answer. dc_server gets none of its bytes, and other clients are served.
func TestH07WrongHeadersAreNotForwarded(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	process, at := kit.NewRig(t).Client(up.Endpoint())
	neighbour := kit.Dial(t, at)
	neighbour.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	post := process.Post()
	for name, wrong := range wrongHeaders() {
		t.Run(name, func(t *testing.T) {
			before := up.Asked()
			c := kit.Dial(t, at)
			c.Send(wrong)
			c.ExpectClosed()
			kit.Dial(t, at).ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
			if got := up.Asked() - before; got != 1 {
				t.Errorf("got %d requests at dc_server, want the neighbour's alone: %.100x", got, up.Requests()[before:])
			}
		})
	}
	neighbour.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	post.Check(kit.DefaultSlack())
	mustHaveSeenNothingOf(t, up, codec.OpRemove)
}

// freed is how soon the place of a client that has left is another's, besides what the
// machine is late.
const freed = 100 * time.Millisecond

// half is the ID of the session in requests that never come whole.
const half = "half"

// ways are how a client can leave.
func ways() map[string]func(*kit.Conn) error {
	return map[string]func(*kit.Conn) error{"an end": (*kit.Conn).Close, "a reset": (*kit.Conn).Reset}
}

// TestH04HalfARequestIsNotForwardedAndItsPlaceIsFree has clients leave within a request of three
// frames, at each edge of a frame. -maxclients leaves room for one such client beside another, which
// speaks memcached's protocol, so that it is not closed for a third when it is idle.
// The next client can connect once it has left.
func TestH04HalfARequestIsNotForwardedAndItsPlaceIsFree(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"unix", "tcp"} {
		for name, leave := range ways() {
			t.Run(network+", "+name, func(t *testing.T) { leaveWithin(t, network, leave) })
		}
	}
}

func leaveWithin(t *testing.T, network string, leave func(*kit.Conn) error) {
	jitter := kit.MeasureJitter(t)
	up, beside := kit.NewUpstream(t, kit.Loopback()), kit.Unix(t)
	process, at := kit.NewRig(t).Client(up.Endpoint(), append(listen(t, network), "-maxclients", "2", "-memcached", beside.String())...)
	neighbour, next := kit.Dial(t, beside), mustGetIn(t, at)
	post := process.Post()
	var worst time.Duration
	request := kit.Add(7, half, dataOf(2*codec.MaxFrameData+100), time.Hour)
	cuts := edges(request)
	if !kit.Full() {
		cuts = slices.DeleteFunc(cuts, func(cut int) bool { return cut%8 != 1 })
	}
	for _, cut := range cuts {
		next.Send(request[:cut])
		neighbour.Send([]byte("version\r\n"))
		neighbour.Expect([]byte("VERSION 1.6.18\r\n")) // so what came before is taken
		if other := kit.Dial(t, at); isIn(other) {     // on a machine so late that half a request is not waited for
			next.ExpectClosed()
			next = other
			continue
		}
		began := time.Now()
		if err := leave(next.Conn); err != nil {
			t.Fatal(err)
		}
		next = mustGetIn(t, at)
		took := time.Since(began)
		jitter.MustTake(t, fmt.Sprintf("the place of one who left after %d bytes", cut), took, 0, freed)
		if worst = max(worst, took); t.Failed() {
			break
		}
	}
	t.Logf("a place was free within %v", worst)
	post.Check(kit.DefaultSlack())
	mustHaveSeenNothingOf(t, up, codec.OpAdd)
}

// mustGetIn connects until there is room, which is when it is answered.
func mustGetIn(t *testing.T, at kit.Endpoint) *kit.Client {
	t.Helper()
	var in *kit.Client
	kit.Wait(t, patience, "room for a client", func() bool {
		if in = kit.Dial(t, at); isIn(in) {
			return true
		}
		return in.Close() != nil
	})
	return in
}

// isIn reports whether a client is served, or was closed as one too many.
func isIn(c *kit.Client) bool {
	_, err := c.Do(kit.Have(2, "nobody's"))
	return err == nil
}

// edges are where a request is cut: within its headers, and around the ends of its frames.
func edges(request []byte) []int {
	const around = 5 // of the end of a frame
	var all []int
	for n := 1; n < len(request); n++ {
		within := n % codec.FrameSize
		if within <= codec.HeaderSize+1 || within >= codec.FrameSize-around || n >= len(request)-around {
			all = append(all, n)
		}
	}
	return all
}

// mustHaveSeenNothingOf holds that dc_server got no request of that operation, nor
// anything corrupt, over the one connection that it had.
func mustHaveSeenNothingOf(t *testing.T, up *kit.Upstream, op codec.Op) {
	t.Helper()
	for _, q := range up.Requests() {
		if q.Op == op {
			t.Errorf("got %v of %.40q at dc_server, want none", q.Op, q.ID)
		}
	}
	mustKeepItsLink(t, up)
}

// mustKeepItsLink holds that dc_server noticed nothing of what clients did.
func mustKeepItsLink(t *testing.T, up *kit.Upstream) {
	t.Helper()
	if got, corrupt := up.Conns(), up.Corrupt(); got != 1 || len(corrupt) > 0 {
		t.Errorf("got %d connections to dc_server, %v, want the first to have lasted", got, corrupt)
	}
}
