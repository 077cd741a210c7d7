package hostile

import (
	"slices"
	"testing"

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

// TestH07WrongHeadersAreNotForwarded: who sends one is closed without an answer, dc_server
// hears nothing of it, and a neighbour is served.
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
