package memcached

import (
	"bytes"
	"errors"
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

// TestD04Lines are lines that are not in the vectors. The sizes are numbers: a constant that changes is a fault.
func TestD04Lines(t *testing.T) {
	long, longest, line := strings.Repeat("k", 251), strings.Repeat("k", 250), strings.Repeat("x", 2047)
	value := strings.Repeat("x", 32_768)
	tests := []struct {
		name, send, want string
		err              error
	}{
		{"key too long behind another", "get a " + long + "\r\n", "CLIENT_ERROR bad command line format\r\n", nil},
		{"key too long", "delete " + long + "\r\n", "CLIENT_ERROR bad command line format\r\n", nil},
		{"the longest key", "get a " + longest + "\r\nset " + longest + " 0 0 1\r\nx\r\ndelete " + longest + "\r\n", "END\r\nSTORED\r\nDELETED\r\n", nil},
		{"carriage return in a key", "get a\rb\r\n", "CLIENT_ERROR bad command line format\r\n", nil},
		{"NUL in a key", "get a\x00b\r\n", "ERROR\r\n", nil},
		{"NUL in the key of a store", "set a\x00b 0 0 1\r\n", "ERROR\r\n", nil},
		{"NUL in the key of a delete", "delete a\x00b\r\n", "ERROR\r\n", nil},
		{"tab is no space", "get\ta\r\n", "ERROR\r\n", nil},
		{"spaces alone", "   \r\n", "ERROR\r\n", nil},
		{"verb with more behind it", "gett a\r\n", "ERROR\r\n", nil},
		{"error without a reply", "set k 0 0 x noreply\r\n", "", nil},
		{"too large without a reply", "set k 0 0 32769 noreply\r\n" + value + "x\r\n", "", nil},
		{"too large", "set k 0 0 32769\r\n" + value + "x\r\nversion\r\n", "SERVER_ERROR object too large for cache\r\nVERSION 1.6.18\r\n", nil},
		{"too large, and not there yet", "set k 0 0 32769\r\n", "SERVER_ERROR object too large for cache\r\n", nil},
		{"the longest", "set k 0 0 32768\r\n" + value + "\r\n", "STORED\r\n", nil},
		{"value without its end", "set k 0 0 5\r\nvaluexx", "CLIENT_ERROR bad data chunk\r\n", nil},
		{"value with half its end", "set k 0 0 5\r\nvalue\rx", "CLIENT_ERROR bad data chunk\r\n", nil},
		{"negative length", "set k 0 0 -1\r\n", "CLIENT_ERROR bad command line format\r\n", nil},
		{"negative flags", "set k -1 0 1\r\n", "CLIENT_ERROR bad command line format\r\n", nil},
		{"the largest length", "set k 0 0 2147483645\r\n", "SERVER_ERROR object too large for cache\r\n", nil},
		{"length over 31 bits", "set k 0 0 2147483646\r\n", "CLIENT_ERROR bad command line format\r\n", nil},
		{"length of many digits", "set k 0 0 99999999999999999999\r\n", "CLIENT_ERROR bad command line format\r\n", nil},
		{"length that is 1 in 64 bits", "set k 0 0 18446744073709551617\r\n", "CLIENT_ERROR bad command line format\r\n", nil},
		{"too many words", "set k 0 0 1 noreply x\r\n", "ERROR\r\n", nil},
		{"delete with too many words", "delete k 0 noreply x\r\n", "ERROR\r\n", nil},
		{"a wrong delete without a reply", "delete k 5 noreply\r\n", "", nil},
		{"stats of a part", "stats items\r\n", "STAT pid 1\r\nEND\r\n", nil},
		{"2,048 bytes without an end", line + "x", "", ErrLongLine},
		{"2,047 bytes without an end", line, "", codec.ErrShort},
		{"a line of 2,048 bytes", line + "\n", "ERROR\r\n", nil},
		{"a line of 2,049 bytes", line + "x\n", "", ErrLongLine},
	}
	for _, tt := range tests {
		m := &model{stored: map[string]string{}}
		got, err := m.answer([]byte(tt.send))
		if string(got) != tt.want || err != tt.err {
			t.Errorf("%s: got %q, %v, want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

// TestD04Headers are binary requests with something wrong in the header.
func TestD04Headers(t *testing.T) {
	header := func(opcode byte, keyLen int, extras byte, body uint32) string {
		b := make([]byte, headerSize)
		b[0], b[1], b[2], b[3], b[4] = 0x80, opcode, byte(keyLen>>8), byte(keyLen), extras
		b[8], b[9], b[10], b[11] = byte(body>>24), byte(body>>16), byte(body>>8), byte(body)
		return string(b)
	}
	answer := func(opcode byte, status uint16, body string) string {
		return string(Head{Binary: true, Opcode: opcode}.appendStatus(nil, status, body))
	}
	const extras = "\x00\x00\x00\x00\x00\x00\x00\x00"
	long, value, noop := strings.Repeat("k", 251), strings.Repeat("x", 32_768), header(opNoop, 0, 0, 0)
	withByte := func(text string, at int, value byte) string { return text[:at] + string([]byte{value}) + text[at+1:] }
	invalid := func(opcode byte) string { return answer(opcode, 4, "Invalid arguments") }
	tests := []struct {
		name, send, want string
		err              error
	}{
		{"half a header", noop[:23], "", codec.ErrShort},
		{"extras of a get", header(opGet, 1, 4, 5) + "\x00\x00\x00\x00k" + noop, invalid(opGet), nil},
		{"extras of a noop", header(opNoop, 0, 4, 4) + "\x00\x00\x00\x00" + noop, invalid(opNoop), nil},
		{"a set without extras", header(opSet, 1, 0, 2) + "kv" + noop, invalid(opSet), nil},
		{"a set with 4 bytes of extras", header(opSet, 1, 4, 6) + "\x00\x00\x00\x00kv" + noop, invalid(opSet), nil},
		{"a set with 12 bytes of extras", header(opSet, 1, 12, 14) + extras + "\x00\x00\x00\x00kv" + noop, invalid(opSet), nil},
		{"a get without a key", header(opGet, 0, 0, 0) + noop, invalid(opGet), nil},
		{"a set without a key", header(opSet, 0, 8, 9) + extras + "v" + noop, invalid(opSet), nil},
		{"a noop with a key", header(opNoop, 1, 0, 1) + "k" + noop, invalid(opNoop), nil},
		{"a get with a value", header(opGet, 1, 0, 3) + "kvv" + noop, invalid(opGet), nil},
		{"key too long", header(opGet, 251, 0, 251) + long + noop, invalid(opGet), nil},
		{"the longest key", header(opGet, 250, 0, 250) + long[:250] + noop, answer(opGet, 1, "Not found") + answer(opNoop, 0, ""), nil},
		{"a body shorter than its key", header(opGet, 4, 0, 2) + "kkkk" + noop, answer(opGet, 0x81, "Unknown command"), nil},
		{"a body shorter than key and extras", header(opSet, 1, 8, 8) + extras + noop, answer(opSet, 0x81, "Unknown command"), nil},
		{"a data type", withByte(header(opGet, 1, 0, 1), 5, 1) + "k" + noop, answer(opGet, 1, "Not found") + answer(opNoop, 0, ""), nil},
		{"a vbucket", withByte(header(opGet, 1, 0, 1), 7, 7) + "k" + noop, answer(opGet, 1, "Not found") + answer(opNoop, 0, ""), nil},
		{"a CAS", withByte(header(opSet, 1, 8, 10), 23, 5) + extras + "kv" + noop, answer(opSet, 0, "") + answer(opNoop, 0, ""), nil},
		{"an opcode that is none", header(0x55, 3, 5, 12) + "extrakeyrest" + noop, answer(0x55, 0x81, "Unknown command") + answer(opNoop, 0, ""), nil},
		{"the largest body", header(opSet, 250, 8, 33_026) + extras + long[:250] + value + noop, answer(opSet, 0, "") + answer(opNoop, 0, ""), nil},
		{"a larger body", header(opSet, 250, 8, 33_027) + extras + long[:250] + value + "x" + noop,
			answer(opSet, 3, "Too large.") + answer(opNoop, 0, ""), nil},
		{"a larger body, of which the value is not there", header(opSet, 1, 8, 1<<31) + extras + "k", answer(opSet, 3, "Too large."), nil},
		{"a larger body, of which the key is not there", header(opSet, 2, 8, 1<<31) + extras + "k", "", codec.ErrShort},
		{"a body as large as can be said", header(opSet, 1, 8, 1<<32-1) + extras + "k", answer(opSet, 3, "Too large."), nil},
		{"wrong magic", noop + withByte(noop, 0, 0x81), answer(opNoop, 0, ""), ErrMagic},
		{"text", noop + strings.Repeat("version\r\n", 3), answer(opNoop, 0, ""), ErrMagic},
	}
	for _, tt := range tests {
		m := &model{stored: map[string]string{}}
		got, err := m.answer([]byte(tt.send))
		if string(got) != tt.want || err != tt.err {
			t.Errorf("%s: got %.100q, %v, want %.100q, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

// binaryStore is a SET of a value of size bytes, which is there up to have.
func binaryStore(opcode byte, keyLen int, size int64, have int) []byte {
	b := make([]byte, headerSize+storeExtras+keyLen+have)
	b[0], b[1], b[3], b[4] = Magic, opcode, byte(keyLen), storeExtras
	body := int64(storeExtras+keyLen) + size
	b[8], b[9], b[10], b[11] = byte(body>>24), byte(body>>16), byte(body>>8), byte(body)
	return b
}

// TestD08Sizes: the longest value is taken, a longer one refused before it is there; a GET of the
// binary protocol brings no value over 16,380 bytes, a GETK does.
func TestD08Sizes(t *testing.T) {
	for _, row := range []struct {
		opcode       byte
		size         int64
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
			have = int(row.size)
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
