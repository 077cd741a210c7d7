package server

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/front"
)

// FuzzServer feeds a server bytes in pieces, and holds its answers against what the codec
// finds in those bytes at once: each whole request is answered once, in order, with its
// uid and operation and a payload that may answer it; the connection ends where the
// bytes are no request, and nowhere else.
func FuzzServer(f *testing.F) {
	all := bytes.Join([][]byte{
		codec.AppendMessage(nil, codec.Request, 1, codec.OpAdd, add("id", "data", time.Minute)),
		codec.AppendMessage(nil, codec.Request, 2, codec.OpGet, []byte("id")),
		codec.AppendMessage(nil, codec.Request, 2, codec.OpHave, []byte("id")),
		codec.AppendMessage(nil, codec.Request, 3, codec.OpRemove, []byte("id")),
		codec.AppendMessage(nil, codec.Request, 3, codec.OpAdd, add("id", string(make([]byte, 4070)), time.Minute)),
		codec.AppendMessage(nil, codec.Request, 4, codec.OpGet, []byte("id")),
		codec.AppendMessage(nil, codec.Request, 4, codec.OpAdd, []byte{1, 2, 3}),
	}, nil)
	for _, size := range []uint16{1, 13, 2061, 65535} {
		f.Add(all, size)
		f.Add(append(bytes.Clone(all[:200]), "GET / HTTP/1.1\r\n\r\n"...), size)
	}
	f.Add(all[:len(all)-1], uint16(5))
	f.Fuzz(func(t *testing.T, stream []byte, size uint16) {
		r := newRig(t, Config{}, 64)
		r.send(stream, 1+int(size))
		r.mustHaveAnswered(stream)
	})
}

// mustHaveAnswered compares what client 1 got with what is owed for stream.
func (r *rig) mustHaveAnswered(stream []byte) {
	r.t.Helper()
	asked, answers := codec.NewAssembler(codec.Request), codec.NewAssembler(codec.Response)
	got := r.take()
	for {
		q, err := asked.Next(stream)
		if err != nil {
			r.mustEndAs(err, got)
			return
		}
		m, err := answers.Next(got)
		if err != nil || m.UID != q.UID || m.Op != q.Op {
			r.t.Fatalf("got uid %#x, %v, %v, want the answer to uid %#x, %v", m.UID, m.Op, err, q.UID, q.Op)
		}
		if payload := m.Payload(nil); q.Op != codec.OpGet && len(payload) != 1 || len(payload) == 0 {
			r.t.Fatalf("got %x as the answer to a %v", payload, q.Op)
		}
		stream, got = stream[len(q.Wire):], got[len(m.Wire):]
	}
}

// mustEndAs holds that nothing more was answered, and that corruption alone ended it.
func (r *rig) mustEndAs(err error, rest []byte) {
	r.t.Helper()
	corrupt := !errors.Is(err, codec.ErrShort)
	if len(rest) > 0 || r.closed != corrupt {
		r.t.Fatalf("behind the last request, %v: got %d bytes more, closed %v", err, len(rest), r.closed)
	}
	if corrupt && (len(r.drops) != 1 || r.drops[0] != front.Corrupt) {
		r.t.Fatalf("got the drops %v, want one, for what is corrupt", r.drops)
	}
}
