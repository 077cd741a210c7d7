package codec

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
)

func TestParseHeader(t *testing.T) {
	tests := []struct {
		name string
		wire string
		want Header
	}{
		{"an ADD that goes on", "00110000" + "00" + "deadbeef" + "00" + "00" + "00" + "0800",
			Header{Direction: Request, UID: 0xdeadbeef, Op: OpAdd, DataLen: 2048}},
		{"a GET", "00110000" + "00" + "00000001" + "00" + "01" + "01" + "0020",
			Header{Direction: Request, UID: 1, Op: OpGet, Complete: true, DataLen: 32}},
		{"a REMOVE of nothing", "00110000" + "00" + "00000000" + "00" + "02" + "01" + "0000",
			Header{Direction: Request, Op: OpRemove, Complete: true}},
		{"a HAVE with a newer patch level", "0011abcd" + "00" + "ffffffff" + "00" + "03" + "01" + "0040",
			Header{Patch: 0xabcd, Direction: Request, UID: 0xffffffff, Op: OpHave, Complete: true, DataLen: 64}},
		{"an answer of one byte", "00110000" + "01" + "01020304" + "00" + "01" + "01" + "0001",
			Header{Direction: Response, UID: 0x01020304, Op: OpGet, Complete: true, DataLen: 1}},
		{"a full last frame", "00110000" + "01" + "01020304" + "00" + "01" + "01" + "0800",
			Header{Direction: Response, UID: 0x01020304, Op: OpGet, Complete: true, DataLen: 2048}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wire := unhex(t, tt.wire)
			got, err := ParseHeader(wire, tt.want.Direction)
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
			if back := AppendHeader([]byte("before"), got); string(back) != "before"+string(wire) {
				t.Errorf("got %x appended, want %x", back, wire)
			}
		})
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	for op := range Op(NumOps) {
		for _, uid := range []uint32{0, 1, 0xff, 0x100, 0x1234_5678, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
			for dataLen := range MaxFrameData + 1 {
				want := Header{
					Patch: uint16(dataLen), Direction: Direction(uid & 1), UID: uid, Op: op, Complete: true, DataLen: dataLen,
				}
				roundTrip(t, want)
			}
			roundTrip(t, Header{Direction: Response, UID: uid, Op: op, DataLen: MaxFrameData})
		}
	}
}

func roundTrip(t *testing.T, want Header) {
	t.Helper()
	wire := AppendHeader(nil, want)
	got, err := ParseHeader(wire, want.Direction)
	if err != nil || got != want || len(wire) != 14 {
		t.Fatalf("got %+v, %v after %d bytes, want %+v after 14", got, err, len(wire), want)
	}
}

func TestParseHeaderLooksNoFurther(t *testing.T) {
	wire := frame(Request, 7, OpGet, 1, []byte("data"))
	whole, err := ParseHeader(wire, Request)
	if err != nil {
		t.Fatal(err)
	}
	for i := HeaderSize; i < len(wire); i++ {
		wire[i] ^= 0xff
	}
	again, err := ParseHeader(wire, Request)
	if again != whole || err != nil {
		t.Errorf("got %+v, %v after the data changed, want %+v", again, err, whole)
	}
}

func TestParseHeaderPrefixes(t *testing.T) {
	for _, k := range kinds() {
		for n := range HeaderSize {
			b := bytes.Clone(k.wire[:n])
			got, err := ParseHeader(b[:n:n], k.dir)
			if !errors.Is(err, ErrShort) || got != (Header{}) {
				t.Fatalf("%s: got %+v, %v of %d bytes, want ErrShort", k.name, got, err, n)
			}
			if !bytes.Equal(b, k.wire[:n]) {
				t.Fatalf("%s: got %x, want %x left as it was", k.name, b, k.wire[:n])
			}
		}
	}
}

// wrongHeader is a header that is good but for some bytes.
type wrongHeader struct {
	name  string
	dir   Direction
	at    int    // where the wrong bytes stand
	put   []byte // the wrong bytes
	field string // what they are
	shown int    // bytes of the header that it takes to see it
}

// wrongHeaders has a row for each field and each way to get it wrong.
func wrongHeaders() []wrongHeader {
	return []wrongHeader{
		{"version 0x0010", Request, 0, []byte{0x00, 0x10}, "proto_level", 2},
		{"version 0x0012", Request, 0, []byte{0x00, 0x12}, "proto_level", 2},
		{"version 0x0000", Request, 0, []byte{0x00, 0x00}, "proto_level", 2},
		{"version 0x0111", Request, 0, []byte{0x01, 0x11}, "proto_level", 1},
		{"version 0x1100, the bytes swapped", Request, 0, []byte{0x11, 0x00}, "proto_level", 1},
		{"version 0xffff", Response, 0, []byte{0xff, 0xff}, "proto_level", 1},
		{"a response where a request is due", Request, 4, []byte{1}, "is_response", 5},
		{"a request where a response is due", Response, 4, []byte{0}, "is_response", 5},
		{"is_response 2 for a request", Request, 4, []byte{2}, "is_response", 5},
		{"is_response 2 for a response", Response, 4, []byte{2}, "is_response", 5},
		{"is_response 255", Response, 4, []byte{255}, "is_response", 5},
		{"class 1", Request, 9, []byte{1}, "op_class", 10},
		{"class 255", Response, 9, []byte{255}, "op_class", 10},
		{"operation 4", Request, 10, []byte{4}, "operation", 11},
		{"operation 255", Response, 10, []byte{255}, "operation", 11},
		{"complete 2", Request, 11, []byte{2}, "complete", 12},
		{"complete 255", Response, 11, []byte{255}, "complete", 12},
		{"data_len 2049", Request, 11, []byte{1, 0x08, 0x01}, "data_len", 14},
		{"data_len 2303", Request, 11, []byte{1, 0x08, 0xff}, "data_len", 14},
		{"data_len 2304", Request, 11, []byte{1, 0x09, 0x00}, "data_len", 13},
		{"data_len 65535", Response, 11, []byte{1, 0xff, 0xff}, "data_len", 13},
		{"an incomplete frame of 0 bytes", Request, 11, []byte{0, 0x00, 0x00}, "data_len", 13},
		{"an incomplete frame of 2047 bytes", Request, 11, []byte{0, 0x07, 0xff}, "data_len", 13},
		{"an incomplete frame of 2049 bytes", Request, 11, []byte{0, 0x08, 0x01}, "data_len", 14},
		{"an incomplete frame of 65535 bytes", Response, 11, []byte{0, 0xff, 0xff}, "data_len", 13},
	}
}

func TestParseHeaderRejects(t *testing.T) {
	for _, tt := range wrongHeaders() {
		t.Run(tt.name, func(t *testing.T) {
			wire := frame(tt.dir, 0x01020304, OpHave, 1, pattern(32))
			copy(wire[tt.at:], tt.put)
			for n := range tt.shown {
				if _, err := ParseHeader(wire[:n:n], tt.dir); !errors.Is(err, ErrShort) {
					t.Errorf("got %v of the first %d bytes, want ErrShort", err, n)
				}
			}
			for n := tt.shown; n <= len(wire); n++ {
				if _, err := ParseHeader(wire[:n:n], tt.dir); corruptField(err) != tt.field {
					t.Errorf("got %v of the first %d bytes, want corrupt %s", err, n, tt.field)
				}
			}
		})
	}
}

// TestParseHeaderEveryByte puts every value at every place of a header. A beginning
// is corrupt exactly when no rest would make it valid, and that is tried out.
func TestParseHeaderEveryByte(t *testing.T) {
	for _, dir := range []Direction{Request, Response} {
		for _, good := range [][]byte{
			frame(dir, 0x01020304, OpAdd, 0, pattern(2048))[:HeaderSize],
			frame(dir, 0x01020304, OpGet, 1, pattern(300))[:HeaderSize],
			frame(dir, 0x01020304, OpHave, 1, pattern(2048))[:HeaderSize],
		} {
			for at := range HeaderSize {
				for value := range 256 {
					head := bytes.Clone(good)
					head[at] = byte(value)
					everyPrefixJudged(t, head, dir)
				}
			}
		}
	}
}

func everyPrefixJudged(t *testing.T, head []byte, dir Direction) {
	t.Helper()
	for n := range HeaderSize + 1 {
		_, err := ParseHeader(head[:n:n], dir)
		got := verdictOf(err)
		if want := judge(head[:n], dir); got != want {
			t.Fatalf("got %s of %x, direction %d, want %s", got, head[:n], dir, want)
		}
	}
}

func TestCorruptErrorNamesFieldAndReason(t *testing.T) {
	_, err := ParseHeader([]byte{0x00, 0x12}, Request)
	want := "corrupt proto_level: the version is not 0x0011"
	if got := fmt.Sprint(err); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("hex %.40q…: %v", s, err)
	}
	return b
}
