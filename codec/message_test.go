package codec

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// payloadSizes is every size around a frame's end, and some in between, 0 to 32,768.
func payloadSizes(rng *rand.Rand) []int {
	sizes := []int{32768}
	for boundary := 0; boundary <= 32768; boundary += 2048 {
		for n := max(0, boundary-30); n <= min(32768, boundary+30); n++ {
			sizes = append(sizes, n)
		}
	}
	for range 200 {
		sizes = append(sizes, rng.IntN(32769))
	}
	return sizes
}

func TestAppendMessage(t *testing.T) {
	for _, n := range payloadSizes(seeded(t)) {
		for _, dir := range []Direction{Request, Response} {
			k := kind{dir: dir, op: Op(n % NumOps), uid: uint32(n) << 13, payload: pattern(n)}
			k.wire = message(dir, k.uid, k.op, k.payload)
			got := AppendMessage([]byte("before"), dir, k.uid, k.op, k.payload)
			if string(got[:6]) != "before" || !bytes.Equal(got[6:], k.wire) {
				t.Fatalf("got %d bytes that differ for %d of payload, want %d", len(got)-6, n, len(k.wire))
			}
			if size := MessageSize(n); size != len(k.wire) {
				t.Fatalf("got size %d for %d bytes, want %d", size, n, len(k.wire))
			}
			a := NewAssembler(dir)
			m, err := a.Next(got[6:])
			if err != nil {
				t.Fatalf("got %v of %d bytes of payload, want the message", err, n)
			}
			k.mustMatch(t, m)
		}
	}
}

func TestMessageSize(t *testing.T) {
	tests := []struct {
		name          string
		payload, want int
	}{
		{"nothing", 0, 14},
		{"a status", 1, 15},
		{"a full frame", 2048, 2062},
		{"one byte more", 2049, 2062 + 14 + 1},
		{"16 full frames", 32768, 16 * 2062},
	}
	for _, tt := range tests {
		if got := MessageSize(tt.payload); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestSetUID(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			got := bytes.Clone(k.wire)
			SetUID(got, 0x01020304)
			want := bytes.Clone(k.wire)
			for off := 0; off < len(want); off += 14 + 2048 {
				copy(want[off+5:], []byte{1, 2, 3, 4})
			}
			if !bytes.Equal(got, want) {
				t.Fatal("got more or less than the uids of all frames changed")
			}
			SetUID(got, k.uid)
			if !bytes.Equal(got, k.wire) {
				t.Error("got another message when the uid was put back, want the first")
			}
		})
	}
}

func TestSetOp(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			got := bytes.Clone(k.wire)
			SetOp(got, (k.op+1)%NumOps)
			if want := message(k.dir, k.uid, (k.op+1)%NumOps, k.payload); len(want) == len(got) && !bytes.Equal(got, want) {
				t.Error("got more or less than the operations of all frames changed")
			}
			SetOp(got, k.op)
			if !bytes.Equal(got, k.wire) {
				t.Error("got another message when the operation was put back, want the first")
			}
		})
	}
}

func TestSetUIDLeavesWhatIsBehind(t *testing.T) {
	stream := append(message(Request, 1, OpGet, pattern(2048)), message(Request, 2, OpGet, pattern(9))...)
	want := bytes.Clone(stream)
	want[5], want[6], want[7], want[8] = 0xff, 0xff, 0xff, 0xff
	SetUID(stream[:2062], 0xffffffff)
	if !bytes.Equal(stream, want) {
		t.Error("got the next message changed, want it left as it was")
	}
}

func TestSingle(t *testing.T) {
	tests := []struct {
		name string
		wire []byte
		want bool
	}{
		{"an empty frame", message(Request, 1, OpGet, nil), true},
		{"a full frame", message(Request, 1, OpGet, pattern(2048)), true},
		{"a full frame, an empty one", emptyLast(Request, 1, OpGet, pattern(2048)), false},
		{"two frames", message(Request, 1, OpGet, pattern(2049)), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var a Assembler
			m, err := a.Next(tt.wire)
			if err != nil || m.Single() != tt.want {
				t.Errorf("got %v, %v, want %v", m.Single(), err, tt.want)
			}
		})
	}
}

func TestPayloadScratch(t *testing.T) {
	scratch := make([]byte, 3, MaxPayload)
	var a Assembler
	single, err := a.Next(message(Request, 1, OpGet, pattern(100)))
	if err != nil {
		t.Fatal(err)
	}
	if p := single.Payload(scratch); &p[0] != &single.Wire[HeaderSize] {
		t.Error("got a copy of a single frame's data, want a view")
	}
	largest, err := a.Next(emptyLast(Request, 1, OpGet, pattern(MaxPayload)))
	if err != nil {
		t.Fatal(err)
	}
	p := largest.Payload(scratch)
	if &p[0] != &scratch[0] {
		t.Error("got a slice of its own, want scratch used")
	}
	if !bytes.Equal(p, pattern(MaxPayload)) {
		t.Errorf("got %d bytes that differ, want %d", len(p), MaxPayload)
	}
}

func TestStatusAnswers(t *testing.T) {
	for s := range 256 {
		wire := AppendStatus([]byte("before"), 0xdeadbeef, OpRemove, Status(s))
		want := frame(Response, 0xdeadbeef, OpRemove, 1, []byte{byte(s)})
		if string(wire[:6]) != "before" || !bytes.Equal(wire[6:], want) {
			t.Fatalf("got %x, want %x", wire[6:], want)
		}
		a := NewAssembler(Response)
		m, err := a.Next(wire[6:])
		if err != nil {
			t.Fatalf("got %v, want the answer", err)
		}
		if got, err := ParseStatus(m); err != nil || got != Status(s) {
			t.Fatalf("got %v, %v, want %v", got, err, Status(s))
		}
	}
}

func TestParseStatusRejects(t *testing.T) {
	tests := []struct {
		name string
		wire []byte
	}{
		{"no byte", frame(Response, 1, OpGet, 1, nil)},
		{"two bytes", frame(Response, 1, OpGet, 1, []byte{0, 0})},
		{"a full frame", frame(Response, 1, OpGet, 1, pattern(2048))},
		{"two frames, one byte in the last", message(Response, 1, OpGet, pattern(2049))},
		{"a full frame, an empty one", emptyLast(Response, 1, OpGet, pattern(2048))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := NewAssembler(Response)
			m, err := a.Next(tt.wire)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ParseStatus(m); corruptField(err) != "data_len" {
				t.Errorf("got %v, want corrupt data_len", err)
			}
		})
	}
}

func TestIsProbe(t *testing.T) {
	rest := strings.Repeat("r", ProbeIDLen-len(ProbeMark))
	tests := []struct {
		name string
		op   Op
		id   string
		want bool
	}{
		{"a probe", OpHave, ProbeMark + rest, true},
		{"another operation", OpGet, ProbeMark + rest, false},
		{"another ID", OpHave, strings.Repeat("r", ProbeIDLen), false},
		{"shorter", OpHave, ProbeMark + rest[1:], false},
		{"longer", OpHave, ProbeMark + rest + "r", false},
		{"empty", OpHave, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := IsProbe(test.op, []byte(test.id)); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
