package codec

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestAssemblerWhole(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			a := NewAssembler(k.dir)
			m, err := a.Next(k.wire)
			if err != nil {
				t.Fatalf("got %v, want the message", err)
			}
			k.mustMatch(t, m)
		})
	}
}

// TestAssemblerPrefixes shows each beginning of each message to an Assembler that
// knows nothing yet, and then the rest to the same.
func TestAssemblerPrefixes(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			b := bytes.Clone(k.wire)
			for n := range len(b) {
				a := NewAssembler(k.dir)
				if m, err := a.Next(b[:n:n]); !errors.Is(err, ErrShort) || m.Wire != nil {
					t.Fatalf("got %+v, %v of %d bytes of %d, want ErrShort", m, err, n, len(b))
				}
				m, err := a.Next(b)
				if err != nil || len(m.Wire) != len(b) || m.PayloadLen != len(k.payload) {
					t.Fatalf("got %v after %d bytes and the rest, want the message", err, n)
				}
			}
			if !bytes.Equal(b, k.wire) {
				t.Error("got the bytes changed, want them left as they were")
			}
		})
	}
}

func TestAssemblerByteByByte(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			a := NewAssembler(k.dir)
			b := bytes.Clone(k.wire)
			for n := range len(b) {
				if _, err := a.Next(b[:n:n]); !errors.Is(err, ErrShort) {
					t.Fatalf("got %v at byte %d of %d, want ErrShort", err, n, len(b))
				}
			}
			m, err := a.Next(b)
			if err != nil {
				t.Fatalf("got %v of the whole, want the message", err)
			}
			k.mustMatch(t, m)
		})
	}
}

func TestAssemblerFrameCounts(t *testing.T) {
	for frames := 1; frames <= 16; frames++ {
		for _, last := range []int{0, 1, 2047, 2048} {
			p := pattern((frames-1)*2048 + last)
			wire := frame(Request, 9, OpAdd, 1, p[len(p)-last:])
			for i := frames - 2; i >= 0; i-- {
				wire = slices.Concat(frame(Request, 9, OpAdd, 0, p[i*2048:(i+1)*2048]), wire)
			}
			k := kind{dir: Request, op: OpAdd, uid: 9, payload: p, wire: wire}
			var a Assembler
			m, err := a.Next(wire)
			if err != nil {
				t.Fatalf("got %v of %d frames, the last of %d bytes, want the message", err, frames, last)
			}
			k.mustMatch(t, m)
		}
	}
}

func TestAssemblerSeventeenthFrame(t *testing.T) {
	var full []byte
	for range 16 {
		full = append(full, frame(Request, 9, OpAdd, 0, pattern(2048))...)
	}
	tests := []struct {
		name string
		last []byte
		want verdict
	}{
		{"empty", frame(Request, 9, OpAdd, 1, nil), whole},
		{"of 1 byte", frame(Request, 9, OpAdd, 1, []byte{0}), corrupt},
		{"of 2048 bytes", frame(Request, 9, OpAdd, 1, pattern(2048)), corrupt},
		{"that goes on", frame(Request, 9, OpAdd, 0, pattern(2048)), corrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var a Assembler
			m, err := a.Next(slices.Concat(full, tt.last))
			if verdictOf(err) != tt.want {
				t.Fatalf("got %v, want %s", err, tt.want)
			}
			if tt.want == whole && (len(m.Wire) != 33006 || m.PayloadLen != 32768) {
				t.Errorf("got %d bytes with %d of payload, want 33006 with 32768", len(m.Wire), m.PayloadLen)
			}
			if tt.want == corrupt && corruptField(err) != "data_len" {
				t.Errorf("got %v, want corrupt data_len", err)
			}
		})
	}
}

// The data of the frame that is too much is not waited for.
func TestAssemblerRejectsTooMuchByItsHeader(t *testing.T) {
	var wire []byte
	for range 16 {
		wire = append(wire, frame(Request, 9, OpAdd, 0, pattern(2048))...)
	}
	wire = append(wire, frame(Request, 9, OpAdd, 1, pattern(1))[:HeaderSize]...)
	var a Assembler
	if _, err := a.Next(wire); corruptField(err) != "data_len" {
		t.Errorf("got %v, want corrupt data_len", err)
	}
}

// follower is a second frame that does not belong to the first, which is a full
// frame of an ADD with uid 0x01020304 after which `full` frames have been seen.
type follower struct {
	name  string
	full  int
	next  []byte
	field string
	shown int // bytes of next's header that it takes to see it
}

func followers() []follower {
	return []follower{
		{"another uid, first byte", 1, frame(Request, 0xff020304, OpAdd, 1, pattern(9)), "request_uid", 6},
		{"another uid, second byte", 1, frame(Request, 0x01ff0304, OpAdd, 1, pattern(9)), "request_uid", 7},
		{"another uid, third byte", 1, frame(Request, 0x0102ff04, OpAdd, 1, pattern(9)), "request_uid", 8},
		{"another uid, last byte", 1, frame(Request, 0x01020305, OpAdd, 1, pattern(9)), "request_uid", 9},
		{"another operation", 1, frame(Request, 0x01020304, OpHave, 1, pattern(9)), "operation", 11},
		{"another operation in frame 16", 15, frame(Request, 0x01020304, OpGet, 0, pattern(2048)), "operation", 11},
		{"a 17th frame of 256 bytes", 16, frame(Request, 0x01020304, OpAdd, 1, pattern(256)), "data_len", 13},
		{"a 17th frame of 1 byte", 16, frame(Request, 0x01020304, OpAdd, 1, pattern(1)), "data_len", 14},
		{"a 17th frame that goes on", 16, frame(Request, 0x01020304, OpAdd, 0, pattern(2048)), "data_len", 12},
		{"a response", 1, frame(Response, 0x01020304, OpAdd, 1, pattern(9)), "is_response", 5},
	}
}

func (f follower) stream() (wire []byte, start int) {
	for range f.full {
		wire = append(wire, frame(Request, 0x01020304, OpAdd, 0, pattern(2048))...)
	}
	return append(wire, f.next...), len(wire)
}

func TestAssemblerRejectsFollower(t *testing.T) {
	for _, tt := range followers() {
		t.Run(tt.name, func(t *testing.T) {
			wire, start := tt.stream()
			for n := start + HeaderSize; n <= len(wire); n++ {
				var a Assembler
				if _, err := a.Next(wire[:n:n]); corruptField(err) != tt.field {
					t.Fatalf("got %v of %d bytes of the frame, want corrupt %s", err, n-start, tt.field)
				}
			}
		})
	}
}

// A following frame, too, is judged by the bytes at hand (PROTOCOL.md, “Frame”:
// reject as soon as the bytes at hand show it).
func TestAssemblerRejectsFollowerAtTheFirstByte(t *testing.T) {
	for _, tt := range followers() {
		t.Run(tt.name, func(t *testing.T) {
			wire, start := tt.stream()
			for n := range HeaderSize {
				var a Assembler
				_, err := a.Next(wire[: start+n : start+n])
				if n < tt.shown && !errors.Is(err, ErrShort) {
					t.Errorf("got %v of %d bytes of its header, want ErrShort", err, n)
				}
				if n >= tt.shown && corruptField(err) != tt.field {
					t.Errorf("got %v of %d bytes of its header, want corrupt %s", err, n, tt.field)
				}
			}
		})
	}
}

// TestAssemblerRejectsHeader: a wrong header is as wrong in the first frame of a
// message as in a later one.
func TestAssemblerRejectsHeader(t *testing.T) {
	for _, tt := range wrongHeaders() {
		t.Run(tt.name, func(t *testing.T) {
			wrong := frame(tt.dir, 0x01020304, OpHave, 1, pattern(32))
			copy(wrong[tt.at:], tt.put)
			full := frame(tt.dir, 0x01020304, OpHave, 0, pattern(2048))
			for _, start := range []int{0, len(full)} {
				wire := slices.Concat(full[:start], wrong)
				for n := range len(wrong) + 1 {
					a := NewAssembler(tt.dir)
					_, err := a.Next(wire[: start+n : start+n])
					if n < tt.shown && !errors.Is(err, ErrShort) {
						t.Errorf("got %v of %d bytes behind %d, want ErrShort", err, n, start)
					}
					if n >= tt.shown && corruptField(err) != tt.field {
						t.Errorf("got %v of %d bytes behind %d, want corrupt %s", err, n, start, tt.field)
					}
				}
			}
		})
	}
}

func TestZeroAssemblerReadsRequests(t *testing.T) {
	var a Assembler
	if _, err := a.Next(frame(Request, 1, OpGet, 1, pattern(4))); err != nil {
		t.Errorf("got %v of a request, want it", err)
	}
	if _, err := a.Next(frame(Response, 1, OpGet, 1, pattern(4))); corruptField(err) != "is_response" {
		t.Errorf("got %v of a response, want corrupt is_response", err)
	}
}

// A message's view ends where the message does: appending to it does not write
// over the next one.
func TestAssemblerViews(t *testing.T) {
	stream := slices.Concat(frame(Request, 1, OpGet, 1, pattern(4)), frame(Request, 2, OpHave, 1, pattern(5)))
	var a Assembler
	m, err := a.Next(stream)
	if err != nil {
		t.Fatal(err)
	}
	if &m.Wire[0] != &stream[0] {
		t.Error("got a copy, want a view")
	}
	if cap(m.Wire) != len(m.Wire) {
		t.Errorf("got capacity %d, want %d", cap(m.Wire), len(m.Wire))
	}
}

func TestAssemblerChunks(t *testing.T) {
	rng := seeded(t)
	all := kinds()
	for range 200 {
		dir := Direction(rng.IntN(2))
		stream := randomStream(rng, all, dir)
		want, wantRest := drive(stream, dir, func() int { return len(stream) })
		for _, most := range []int{1, 7, 14, 64, 2062, 5000} {
			got, rest := drive(stream, dir, func() int { return 1 + rng.IntN(most) })
			if !slices.EqualFunc(got, want, bytes.Equal) || rest != wantRest {
				t.Fatalf("got %d messages, then %s, in chunks of up to %d bytes, want %d, then %s",
					len(got), rest, most, len(want), wantRest)
			}
		}
	}
}

// randomStream is some messages, every third time spoilt at one byte.
func randomStream(rng *rand.Rand, all []kind, dir Direction) []byte {
	var stream []byte
	for range rng.IntN(6) {
		if k := all[rng.IntN(len(all))]; k.dir == dir {
			stream = append(stream, k.wire...)
		}
	}
	if len(stream) > 0 && rng.IntN(3) == 0 {
		stream[rng.IntN(len(stream))] ^= byte(1 << rng.IntN(8))
	}
	return stream
}

// drive shows stream to an Assembler as a connection would: a growing buffer from
// which whole messages are taken. What is behind the buffer's end cannot be read.
func drive(stream []byte, dir Direction, chunk func() int) (wires [][]byte, rest verdict) {
	a := NewAssembler(dir)
	for start, end := 0, 0; ; {
		m, err := a.Next(stream[start:end:end])
		switch {
		case err == nil:
			wires = append(wires, m.Wire)
			start += len(m.Wire)
		case !errors.Is(err, ErrShort):
			return wires, corrupt
		case end == len(stream):
			return wires, short
		default:
			end = min(len(stream), end+chunk())
		}
	}
}

func TestAssemblerAgainstOracle(t *testing.T) {
	rng := seeded(t)
	all := kinds()
	for range 2000 {
		dir := Direction(rng.IntN(2))
		stream := randomStream(rng, all, dir)
		want, wantRest := split(stream, dir)
		got, rest := drive(stream, dir, func() int { return len(stream) })
		if !slices.EqualFunc(got, want, bytes.Equal) || rest != wantRest {
			t.Fatalf("got %d messages, then %s, want %d, then %s", len(got), rest, len(want), wantRest)
		}
	}
}

func ExampleAssembler() {
	var a Assembler
	request := AppendMessage(nil, Request, 42, OpGet, []byte("session"))
	_, err := a.Next(request[:20])
	fmt.Println(err)
	m, err := a.Next(request)
	fmt.Printf("%v uid %d %q %v\n", m.Op, m.UID, m.Payload(nil), err)
	// Output:
	// more bytes needed
	// GET uid 42 "session" <nil>
}
