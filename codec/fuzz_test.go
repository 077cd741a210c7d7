package codec

import (
	"bytes"
	"slices"
	"testing"
)

// What once went wrong stays in testdata/fuzz, beside things that are not distcache
// at all but arrive on its sockets.

func FuzzParseHeader(f *testing.F) {
	for _, tt := range wrongHeaders() {
		wire := frame(tt.dir, 0x01020304, OpHave, 1, nil)
		copy(wire[tt.at:], tt.put)
		f.Add(wire, tt.dir == Response)
	}
	for _, k := range kindsOf(Request, OpGet) {
		f.Add(k.wire[:min(HeaderSize, len(k.wire))], false)
	}
	f.Fuzz(func(t *testing.T, b []byte, response bool) {
		dir := directionOf(response)
		before := bytes.Clone(b)
		h, err := ParseHeader(b[:len(b):len(b)], dir)
		if got, want := verdictOf(err), judge(b, dir); got != want {
			t.Fatalf("got %s of %x, want %s", got, b, want)
		}
		if !bytes.Equal(b, before) {
			t.Fatalf("got %x, want %x left as it was", b, before)
		}
		if err == nil {
			if again := AppendHeader(nil, h); !bytes.Equal(again, b[:HeaderSize]) {
				t.Fatalf("got %x encoded again, want %x", again, b[:HeaderSize])
			}
		}
	})
}

// FuzzAssembler holds the Assembler, fed in the chunks that cuts gives, against
// the oracle, fed at once.
func FuzzAssembler(f *testing.F) {
	for _, v := range readVectors[serverVector](f, "testdata/dc_server.json") {
		for _, step := range v.Steps {
			f.Add(unhex(f, step.Send), []byte{0, 13, 255}, false)
			f.Add(unhex(f, step.Recv), []byte{6}, true)
		}
	}
	for _, tt := range followers() {
		wire, _ := tt.stream()
		f.Add(wire, []byte{1, 200}, false)
	}
	f.Fuzz(func(t *testing.T, stream, cuts []byte, response bool) {
		dir := directionOf(response)
		before := bytes.Clone(stream)
		want, wantRest := split(before, dir)
		got, rest := drive(stream, dir, chunks(cuts, len(stream)))
		if !slices.EqualFunc(got, want, bytes.Equal) || rest != wantRest {
			t.Fatalf("got %d messages, then %s, want %d, then %s", len(got), rest, len(want), wantRest)
		}
		if !bytes.Equal(stream, before) {
			t.Fatal("got the stream changed, want it left as it was")
		}
		for _, wire := range got {
			a := NewAssembler(dir)
			m, err := a.Next(wire)
			if err != nil {
				t.Fatalf("got %v of a message by itself, want it", err)
			}
			mustEncodeAgain(t, m, dir)
			mustTakeUID(t, m, dir)
		}
	})
}

// mustTakeUID changes m's uid and back, and is left with the same message.
func mustTakeUID(t *testing.T, m Message, dir Direction) {
	t.Helper()
	wire := bytes.Clone(m.Wire)
	SetUID(wire, ^m.UID)
	a := NewAssembler(dir)
	if changed, err := a.Next(wire); err != nil || changed.UID != ^m.UID || changed.PayloadLen != m.PayloadLen {
		t.Fatalf("got %+v, %v with another uid, want the message", changed, err)
	}
	SetUID(wire, m.UID)
	if !bytes.Equal(wire, m.Wire) {
		t.Fatal("got another message when the uid was put back, want the first")
	}
}

func FuzzParseAdd(f *testing.F) {
	for _, v := range readVectors[serverVector](f, "testdata/dc_server.json") {
		for _, step := range v.Steps {
			wires, _ := split(unhex(f, step.Send), Request)
			for _, wire := range wires {
				a := NewAssembler(Request)
				if m, err := a.Next(wire); err == nil && m.Op == OpAdd {
					f.Add(m.Payload(nil))
				}
			}
		}
	}
	f.Add(addPayload(604_800_001, 1<<32-1, pattern(70)))
	f.Add(addPayload(0, 1<<31, pattern(70)))
	f.Fuzz(func(t *testing.T, payload []byte) {
		add, status := ParseAdd(payload[:len(payload):len(payload)])
		if status != StatusOK {
			if status < StatusAddCorrupt || status > StatusAddDataLen || status == StatusAddExists {
				t.Fatalf("got %v, want OK or a status that a payload alone can have", status)
			}
			return
		}
		if !ValidID(add.ID) || len(add.Data) < 1 || len(add.Data) > MaxDataLen || add.Timeout < 0 || add.Timeout > MaxTimeout {
			t.Fatalf("got id of %d, data of %d bytes, timeout %v accepted", len(add.ID), len(add.Data), add.Timeout)
		}
		if again := AppendAdd(nil, add); !bytes.Equal(again, payload) {
			t.Fatalf("got %x encoded again, want %x", again, payload)
		}
	})
}

func directionOf(response bool) Direction {
	if response {
		return Response
	}
	return Request
}

// chunks gives the sizes 1+cuts[0], 1+cuts[1], … over and over; all at once when
// there are none.
func chunks(cuts []byte, all int) func() int {
	i := 0
	return func() int {
		if len(cuts) == 0 {
			return all
		}
		i++
		return 1 + int(cuts[(i-1)%len(cuts)])
	}
}
