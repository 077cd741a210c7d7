package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// frame writes a frame out byte by byte, by PROTOCOL.md and without the codec, so
// that the codec is not tested against itself.
func frame(dir Direction, uid uint32, op Op, complete byte, data []byte) []byte {
	head := []byte{0x00, 0x11, 0x00, 0x00, byte(dir)}
	head = binary.BigEndian.AppendUint32(head, uid)
	head = append(head, 0x00, byte(op), complete)
	head = binary.BigEndian.AppendUint16(head, uint16(len(data)))
	return append(head, data...)
}

// message puts payload into frames: full ones, then a last one with the rest.
func message(dir Direction, uid uint32, op Op, payload []byte) []byte {
	var wire []byte
	for len(payload) > 2048 {
		wire = append(wire, frame(dir, uid, op, 0, payload[:2048])...)
		payload = payload[2048:]
	}
	return append(wire, frame(dir, uid, op, 1, payload)...)
}

// emptyLast puts payload, a multiple of 2,048 bytes, into full frames that all say
// “more follow”, and then says that no more do.
func emptyLast(dir Direction, uid uint32, op Op, payload []byte) []byte {
	var wire []byte
	for data := range slices.Chunk(payload, 2048) {
		wire = append(wire, frame(dir, uid, op, 0, data)...)
	}
	return append(wire, frame(dir, uid, op, 1, nil)...)
}

// pattern is n bytes that tell each position from its neighbours in any frame.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + i>>8)
	}
	return p
}

// kind is one sort of valid message with what it must decode to.
type kind struct {
	name    string
	dir     Direction
	op      Op
	uid     uint32
	payload []byte
	wire    []byte
}

// kinds gives every sort of message that the protocol has: each direction, each
// operation, each shape. 2,021 to 2,024 bytes in the last frame are those that
// decoders of this protocol are known to have taken for whole too early.
func kinds() []kind {
	var all []kind
	for _, dir := range []Direction{Request, Response} {
		for op := range Op(NumOps) {
			all = append(all, kindsOf(dir, op)...)
		}
	}
	return all
}

func kindsOf(dir Direction, op Op) []kind {
	var all []kind
	add := func(shape string, payload, wire []byte) {
		name := fmt.Sprintf("dir=%d/op=%v/%s", dir, op, shape)
		all = append(all, kind{name, dir, op, 0xdeadbeef, payload, wire})
	}
	for _, n := range []int{0, 1, 32, 255, 256, 2020, 2021, 2022, 2023, 2024, 2047, 2048, 2049, 4096, 6118, 32768} {
		p := pattern(n)
		add(fmt.Sprintf("payload=%d", n), p, message(dir, 0xdeadbeef, op, p))
	}
	for _, frames := range []int{1, 2, 16} {
		p := pattern(frames * 2048)
		add(fmt.Sprintf("payload=%d+empty", len(p)), p, emptyLast(dir, 0xdeadbeef, op, p))
	}
	return all
}

// mustMatch reports where m differs from what k must decode to.
func (k kind) mustMatch(t *testing.T, m Message) {
	t.Helper()
	if m.UID != k.uid || m.Op != k.op || m.PayloadLen != len(k.payload) {
		t.Fatalf("got uid %#x, %v, %d bytes, want uid %#x, %v, %d bytes",
			m.UID, m.Op, m.PayloadLen, k.uid, k.op, len(k.payload))
	}
	if !bytes.Equal(m.Wire, k.wire) {
		t.Fatalf("got a wire form of %d bytes that differs, want the %d bytes shown", len(m.Wire), len(k.wire))
	}
	if got := m.Payload(nil); !bytes.Equal(got, k.payload) {
		t.Fatalf("got a payload of %d bytes that differs, want the %d bytes sent", len(got), len(k.payload))
	}
}

// corruptField gives the field that err names, "" when err is no CorruptError.
func corruptField(err error) string {
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) {
		return ""
	}
	return corrupt.Field
}
