package memcached

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"distcache/codec"
)

// parse is ParseText or ParseBinary.
func parse(b []byte, isBinary bool, r *Request) error {
	if isBinary {
		return ParseBinary(b, r)
	}
	return ParseText(b, r)
}

// TestD04EveryPrefix: each request of the vectors, cut anywhere, is short or the same as whole.
func TestD04EveryPrefix(t *testing.T) {
	for _, file := range []string{"memcached_text.json", "memcached_binary.json"} {
		var all []vector
		readJSON(t, file, &all)
		for _, v := range all {
			send := unhex(t, v.Send)
			var whole Request
			if len(send) > 4096 || parse(send, send[0] == Magic, &whole) != nil || whole.Head.More {
				continue
			}
			for n := range whole.Size {
				var r Request
				if err := parse(send[:n:n], send[0] == Magic, &r); !errors.Is(err, codec.ErrShort) {
					t.Fatalf("%s: got %v of %d bytes of %d, want ErrShort", v.Name, err, n, whole.Size)
				}
			}
			var r Request
			if err := parse(send[:whole.Size:whole.Size], send[0] == Magic, &r); err != nil || r.Size != whole.Size || !bytes.Equal(r.Value, whole.Value) {
				t.Errorf("%s: got %v, %+v, want %+v", v.Name, err, r, whole)
			}
		}
	}
}

// TestD04Lines are lines that are not in the vectors.
func TestD04Lines(t *testing.T) {
	long := strings.Repeat("k", MaxKey+1)
	tests := []struct {
		name, send, want string
		err              error
	}{
		{"key too long behind another", "get a " + long + "\r\n", "CLIENT_ERROR bad command line format\r\n", nil},
		{"carriage return in a key", "get a\rb\r\n", "CLIENT_ERROR bad command line format\r\n", nil},
		{"NUL in a key", "get a\x00b\r\n", "ERROR\r\n", nil},
		{"tab is no space", "get\ta\r\n", "ERROR\r\n", nil},
		{"spaces alone", "   \r\n", "ERROR\r\n", nil},
		{"verb with more behind it", "gett a\r\n", "ERROR\r\n", nil},
		{"error without a reply", "set k 0 0 x noreply\r\n", "", nil},
		{"too large without a reply", fmt.Sprintf("set k 0 0 %d noreply\r\n%s\r\n", MaxValue+1, strings.Repeat("x", MaxValue+1)), "", nil},
		{"too large", fmt.Sprintf("set k 0 0 %d\r\n%s\r\nversion\r\n", MaxValue+1, strings.Repeat("x", MaxValue+1)),
			"SERVER_ERROR object too large for cache\r\nVERSION 1.6.18\r\n", nil},
		{"the longest", fmt.Sprintf("set k 0 0 %d\r\n%s\r\n", MaxValue, strings.Repeat("x", MaxValue)), "STORED\r\n", nil},
		{"length over 31 bits", "set k 0 0 2147483646\r\n", "CLIENT_ERROR bad command line format\r\n", nil},
		{"length of many digits", "set k 0 0 99999999999999999999\r\n", "CLIENT_ERROR bad command line format\r\n", nil},
		{"too many words", "set k 0 0 1 noreply x\r\n", "ERROR\r\n", nil},
		{"delete with too many words", "delete k 0 noreply x\r\n", "ERROR\r\n", nil},
		{"a wrong delete without a reply", "delete k 5 noreply\r\n", "", nil},
		{"stats of a part", "stats items\r\n", "STAT pid 1\r\nEND\r\n", nil},
		{"2,048 bytes without an end", strings.Repeat("x", MaxLine), "", ErrLongLine},
		{"2,047 bytes without an end", strings.Repeat("x", MaxLine-1), "", codec.ErrShort},
		{"a line of 2,048 bytes", strings.Repeat("x", MaxLine-1) + "\n", "ERROR\r\n", nil},
		{"binary: wrong magic", "\x80\x0a" + strings.Repeat("\x00", 22) + strings.Repeat("x", 24),
			"\x81\x0a" + strings.Repeat("\x00", 22), ErrMagic},
	}
	for _, tt := range tests {
		m := &model{stored: map[string]string{}}
		got, err := m.answer([]byte(tt.send))
		if string(got) != tt.want || err != tt.err {
			t.Errorf("%s: got %q, %v, want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

// binaryStore is a SET of a value of size bytes, which is there up to have.
func binaryStore(opcode byte, keyLen, size, have int) []byte {
	b := make([]byte, headerSize+storeExtras+keyLen+have)
	b[0], b[1], b[3], b[4] = Magic, opcode, byte(keyLen), storeExtras
	body := storeExtras + keyLen + size
	b[8], b[9], b[10], b[11] = byte(body>>24), byte(body>>16), byte(body>>8), byte(body)
	return b
}

// TestD08Sizes: the longest value is taken, a longer one refused before it is there; a GET of the
// binary protocol brings no value over 16,380 bytes, a GETK does.
func TestD08Sizes(t *testing.T) {
	for _, row := range []struct {
		opcode       byte
		size         int
		want         Refusal
		swallow      int64
		takes, quiet bool
	}{
		{opSet, MaxValue, None, 0, true, false},
		{opSet, MaxValue + 1, TooLarge, MaxValue + 1, false, false},
		{opSetQ, 1<<32 - 300, TooLarge, 1<<32 - 300, false, true},
		{opAdd, 1 << 31, TooLarge, 1 << 31, false, false},
	} {
		var r Request
		have := 0
		if row.takes {
			have = row.size
		}
		b := binaryStore(row.opcode, MaxKey, row.size, have)
		err := ParseBinary(b, &r)
		if err != nil || r.Refusal != row.want || r.Swallow != row.swallow || r.Size != len(b) || len(r.Key) != MaxKey || r.Head.Quiet != row.quiet {
			t.Errorf("%#x of %d bytes: got %v, %+v, want refusal %d and %d bytes dropped", row.opcode, row.size, err, r.Head, row.want, row.swallow)
		}
	}
	for _, row := range []struct {
		head Head
		size int
		want bool
	}{
		{Head{Binary: true, Opcode: opGet}, MaxBinaryHit, true},
		{Head{Binary: true, Opcode: opGet}, MaxBinaryHit + 1, false},
		{Head{Binary: true, Opcode: opGetQ}, MaxBinaryHit + 1, false},
		{Head{Binary: true, Opcode: opGetK}, MaxValue, true},
		{Head{}, MaxValue, true},
	} {
		if got := row.head.Fits(row.size); got != row.want {
			t.Errorf("%+v of %d bytes: got that it fits: %v", row.head, row.size, got)
		}
	}
}

// TestD07Life: the wall clock is read for absolute times alone.
func TestD07Life(t *testing.T) {
	const now, week = 1_900_000_000, 7 * 24 * time.Hour
	for _, row := range []struct {
		expiry int64
		want   time.Duration
		gone   bool
		asks   bool
	}{
		{0, week, false, false},
		{1, time.Second, false, false},
		{299, 299 * time.Second, false, false},
		{604_800, week, false, false},
		{604_801, week, false, false},
		{2_592_000, week, false, false},
		{2_592_001, 0, true, true},
		{now - 1, 0, true, true},
		{now, 0, true, true},
		{now + 1, time.Second, false, true},
		{now + 3600, time.Hour, false, true},
		{now + 10_000_000, week, false, true},
		{1<<32 - 1, week, false, true},
		{-1, 0, true, false},
	} {
		asked := false
		life, gone := Life(row.expiry, func() int64 { asked = true; return now })
		if life != row.want || gone != row.gone || asked != row.asks {
			t.Errorf("%d: got %v, gone %v, clock read %v, want %+v", row.expiry, life, gone, asked, row)
		}
	}
}

// TestValues: what is stored gives the value back, whatever it is.
func TestValues(t *testing.T) {
	for _, value := range []string{"", "\x00", "\x01", "\x02", "four", "five5", "\x00mcd:", "\x00mcd:x", "\x00mcd", strings.Repeat("x", 200)} {
		stored := AppendValue(nil, []byte(value))
		if got := string(stored[Skip(stored):]); got != value || len(stored) < plain {
			t.Errorf("%q: got %q of %q", value, got, stored)
		}
		if Marked([]byte(value)) != (len(stored) == len(value)+MarkSize) {
			t.Errorf("%q: Marked and AppendValue differ", value)
		}
	}
}
