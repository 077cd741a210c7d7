package codec

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

// addPayload writes an ADD's payload out by PROTOCOL.md, without the codec; the
// id_len it claims is that given.
func addPayload(millis, idLen uint32, rest []byte) []byte {
	p := binary.BigEndian.AppendUint32(nil, millis)
	p = binary.BigEndian.AppendUint32(p, idLen)
	return append(p, rest...)
}

func TestParseAdd(t *testing.T) {
	tests := []struct {
		name    string
		payload []byte
		want    Status
	}{
		{"empty", nil, StatusAddCorrupt},
		{"1 byte", pattern(1), StatusAddCorrupt},
		{"7 bytes", addPayload(0, 0, nil)[:7], StatusAddCorrupt},
		{"7 bytes, timeout over", addPayload(1<<32-1, 0, nil)[:7], StatusAddCorrupt},
		{"no id, no data", addPayload(60_000, 0, nil), StatusAddCorrupt},
		{"timeout 0", addPayload(0, 1, pattern(2)), StatusOK},
		{"timeout 499", addPayload(499, 1, pattern(2)), StatusOK},
		{"timeout 500", addPayload(500, 1, pattern(2)), StatusOK},
		{"timeout 7 days", addPayload(604_800_000, 1, pattern(2)), StatusOK},
		{"timeout 7 days and 1 ms", addPayload(604_800_001, 1, pattern(2)), StatusAddTimeout},
		{"timeout the largest", addPayload(1<<32-1, 1, pattern(2)), StatusAddTimeout},
		{"id_len all that is left", addPayload(60_000, 9, pattern(9)), StatusAddCorrupt},
		{"id_len more than is left", addPayload(60_000, 10, pattern(9)), StatusAddCorrupt},
		{"id_len 2^31", addPayload(60_000, 1<<31, pattern(9)), StatusAddCorrupt},
		{"id_len 2^32-1", addPayload(60_000, 1<<32-1, pattern(9)), StatusAddCorrupt},
		{"id_len 0 with data", addPayload(60_000, 0, pattern(4)), StatusAddIDLen},
		{"id of 1 byte", addPayload(60_000, 1, pattern(2)), StatusOK},
		{"id of 64 bytes", addPayload(60_000, 64, pattern(65)), StatusOK},
		{"id of 65 bytes", addPayload(60_000, 65, pattern(66)), StatusAddIDLen},
		{"data of 1 byte", addPayload(60_000, 32, pattern(33)), StatusOK},
		{"data of 32768 bytes", addPayload(60_000, 32, pattern(32+32768)), StatusOK},
		{"data of 32769 bytes", addPayload(60_000, 32, pattern(32+32769)), StatusAddDataLen},
		{"the largest on the wire", addPayload(60_000, 1, pattern(32768-8)), StatusOK},
		{"order: timeout before id_len over", addPayload(604_800_001, 100, pattern(9)), StatusAddTimeout},
		{"order: timeout before id_len 0", addPayload(604_800_001, 0, pattern(9)), StatusAddTimeout},
		{"order: timeout before id too long", addPayload(604_800_001, 65, pattern(99)), StatusAddTimeout},
		{"order: timeout before data too long", addPayload(604_800_001, 1, pattern(32770)), StatusAddTimeout},
		{"order: no data before id too long", addPayload(60_000, 65, pattern(65)), StatusAddCorrupt},
		{"order: no data before id_len 0", addPayload(0, 0, nil), StatusAddCorrupt},
		{"order: id_len 0 before data too long", addPayload(60_000, 0, pattern(32769)), StatusAddIDLen},
		{"order: id too long before data too long", addPayload(60_000, 65, pattern(65+32769)), StatusAddIDLen},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			shown := bytes.Clone(tt.payload)
			a, got := ParseAdd(shown[:len(shown):len(shown)])
			if got != tt.want {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
			if !bytes.Equal(shown, tt.payload) {
				t.Error("got the payload changed, want it left as it was")
			}
			if got != StatusOK && (a.ID != nil || a.Data != nil || a.Timeout != 0) {
				t.Errorf("got %+v with %v, want nothing", a, got)
			}
		})
	}
}

func TestParseAddFields(t *testing.T) {
	payload := addPayload(604_800_000, 5, []byte("id-5!the data"))
	a, status := ParseAdd(payload)
	if status != StatusOK || a.Timeout != 7*24*time.Hour || string(a.ID) != "id-5!" || string(a.Data) != "the data" {
		t.Fatalf("got %v, %q, %q, %v, want 168h0m0s, \"id-5!\", \"the data\", OK", a.Timeout, a.ID, a.Data, status)
	}
	if &a.ID[0] != &payload[8] || &a.Data[0] != &payload[13] {
		t.Error("got copies, want views")
	}
	if cap(a.ID) != 5 {
		t.Errorf("got an id with room for %d bytes, want 5, so that appending to it spares the data", cap(a.ID))
	}
}

// Every beginning of a good payload is one that dc_server answers 100, until there
// is an id and a byte of data.
func TestParseAddPrefixes(t *testing.T) {
	payload := addPayload(60_000, 32, pattern(32+50))
	for n := range len(payload) + 1 {
		want := StatusAddCorrupt
		if n > 8+32 {
			want = StatusOK
		}
		if _, got := ParseAdd(payload[:n:n]); got != want {
			t.Errorf("got %v of %d bytes, want %v", got, n, want)
		}
	}
}

func TestAppendAdd(t *testing.T) {
	tests := []struct {
		name string
		add  Add
		want []byte
	}{
		{"usual", Add{90 * time.Second, []byte("id"), []byte("data")}, addPayload(90_000, 2, []byte("iddata"))},
		{"a part of a millisecond is cut", Add{1999 * time.Microsecond, []byte("i"), []byte("d")}, addPayload(1, 1, []byte("id"))},
		{"the longest life", Add{MaxTimeout, pattern(64), pattern(1)}, addPayload(604_800_000, 64, slices.Concat(pattern(64), pattern(1)))},
		{"nothing is checked", Add{}, addPayload(0, 0, nil)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := AppendAdd([]byte("before"), tt.add)
			if string(got[:6]) != "before" || !bytes.Equal(got[6:], tt.want) {
				t.Errorf("got %x, want %x", got[6:], tt.want)
			}
		})
	}
}

func TestAddRoundTrip(t *testing.T) {
	for _, idLen := range []int{1, 2, 32, 63, 64} {
		for _, dataLen := range []int{1, 4, 180, 2008, 2048, 32768 - 8 - idLen, 32768} {
			want := Add{time.Duration(idLen*dataLen) * time.Millisecond, pattern(idLen), pattern(dataLen)}
			payload := AppendAdd(nil, want)
			got, status := ParseAdd(payload)
			if status != StatusOK || got.Timeout != want.Timeout ||
				!bytes.Equal(got.ID, want.ID) || !bytes.Equal(got.Data, want.Data) {
				t.Errorf("got another ADD, %v, of an id of %d and data of %d bytes, want it back", status, idLen, dataLen)
			}
		}
	}
}

func TestRaiseTimeout(t *testing.T) {
	tests := []struct {
		name   string
		millis uint32
		floor  time.Duration
		want   uint32
	}{
		{"below", 999, 30 * time.Second, 30_000},
		{"zero", 0, time.Millisecond, 1},
		{"at the floor", 30_000, 30 * time.Second, 30_000},
		{"above", 30_001, 30 * time.Second, 30_001},
		{"no floor", 0, 0, 0},
		{"the largest floor", 1, MaxTimeout, 604_800_000},
		{"out of range stays out of range", 604_800_001, MaxTimeout, 604_800_001},
		{"the largest there is", 1<<32 - 1, MaxTimeout, 1<<32 - 1},
	}
	for _, tt := range tests {
		for _, dataLen := range []int{1, 2000, 2048 - 8, 2049, 32760} {
			wire := message(Request, 3, OpAdd, addPayload(tt.millis, 1, pattern(dataLen)))
			want := message(Request, 3, OpAdd, addPayload(tt.want, 1, pattern(dataLen)))
			RaiseTimeout(wire, tt.floor)
			if !bytes.Equal(wire, want) {
				t.Errorf("%s, data of %d bytes: got timeout %d ms or another change, want %d ms alone",
					tt.name, dataLen-1, binary.BigEndian.Uint32(wire[14:]), tt.want)
			}
		}
	}
}

func TestRaiseTimeoutLeavesShortPayloads(t *testing.T) {
	for n := range AddOverhead + 1 {
		wire := message(Request, 3, OpAdd, make([]byte, n))
		before := bytes.Clone(wire)
		// What is behind the message is there to be spoilt.
		stream := append(wire, message(Request, 4, OpGet, pattern(9))...)
		RaiseTimeout(stream[:len(wire)], time.Second)
		if n < AddOverhead && !bytes.Equal(stream[:len(wire)], before) {
			t.Errorf("got a payload of %d bytes changed, want it left as it was", n)
		}
		if n == AddOverhead && binary.BigEndian.Uint32(stream[14:]) != 1000 {
			t.Errorf("got %x, want the timeout 1000 ms", stream[14:18])
		}
		if !bytes.Equal(stream[len(wire):], message(Request, 4, OpGet, pattern(9))) {
			t.Errorf("got the next message changed behind a payload of %d bytes", n)
		}
	}
}

func TestValidID(t *testing.T) {
	for n := range 130 {
		want := n >= 1 && n <= 64
		if got := ValidID(make([]byte, n)); got != want {
			t.Errorf("got %v for %d bytes, want %v", got, n, want)
		}
	}
}
