package protocols

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"distcache/bench/load/plan"
	"distcache/codec"
)

func request(op codec.Op) *plan.Request {
	return &plan.Request{Asked: plan.Asked{Op: op, UID: 7}, ID: []byte("\x00id\r\n\xff67"), Data: []byte("some\r\ndata"), Timeout: 1500 * time.Millisecond}
}

func TestAppendRequest(t *testing.T) {
	const key = "0069640d0aff3637"
	const id = "$8\r\n\x00id\r\n\xff67\r\n"
	rows := []struct {
		protocol plan.Protocol
		op       codec.Op
		want     string
	}{
		{Memcached(), codec.OpAdd, "add " + key + " 0 2 10\r\nsome\r\ndata\r\n"},
		{Memcached(), codec.OpGet, "get " + key + "\r\n"},
		{Memcached(), codec.OpHave, "get " + key + "\r\n"},
		{Memcached(), codec.OpRemove, "delete " + key + "\r\n"},
		{Redis(), codec.OpAdd, "*6\r\n$3\r\nSET\r\n" + id + "$10\r\nsome\r\ndata\r\n$2\r\nNX\r\n$2\r\nPX\r\n$4\r\n1500\r\n"},
		{Redis(), codec.OpGet, "*2\r\n$3\r\nGET\r\n" + id},
		{Redis(), codec.OpHave, "*2\r\n$6\r\nEXISTS\r\n" + id},
		{Redis(), codec.OpRemove, "*2\r\n$3\r\nDEL\r\n" + id},
	}
	for _, row := range rows {
		got := row.protocol.AppendRequest([]byte("before "), request(row.op))
		if string(got) != "before "+row.want {
			t.Errorf("%s %v: got %q, want %q behind what was there", row.protocol.Name(), row.op, got, row.want)
		}
	}
}

func TestTimeouts(t *testing.T) {
	rows := []struct {
		timeout          time.Duration
		memcached, redis string
	}{
		{0, " 0 -1 10\r\n", "PX\r\n$1\r\n1\r\n"},
		{time.Millisecond, " 0 1 10\r\n", "PX\r\n$1\r\n1\r\n"},
		{time.Second, " 0 1 10\r\n", "PX\r\n$4\r\n1000\r\n"},
		{1001 * time.Millisecond, " 0 2 10\r\n", "PX\r\n$4\r\n1001\r\n"},
		{codec.MaxTimeout, " 0 604800 10\r\n", "PX\r\n$9\r\n604800000\r\n"},
	}
	for _, row := range rows {
		r := request(codec.OpAdd)
		r.Timeout = row.timeout
		if got := string(Memcached().AppendRequest(nil, r)); !strings.Contains(got, row.memcached) {
			t.Errorf("memcached %v: got %q, want %q in it", row.timeout, got, row.memcached)
		}
		if got := string(Redis().AppendRequest(nil, r)); !strings.HasSuffix(got, row.redis) {
			t.Errorf("redis %v: got %q, want %q at its end", row.timeout, got, row.redis)
		}
	}
}

// answers are whole ones, with what they say.
func answers() []answer {
	return []answer{
		{Memcached(), codec.OpAdd, "STORED\r\n", plan.Yes, ""},
		{Memcached(), codec.OpAdd, "NOT_STORED\r\n", plan.No, ""},
		{Memcached(), codec.OpAdd, "SERVER_ERROR out of memory storing object\r\n", plan.Unavailable, ""},
		{Memcached(), codec.OpGet, "END\r\n", plan.No, ""},
		{Memcached(), codec.OpGet, "VALUE 6964 0 3\r\nEND\r\nEND\r\n", plan.Yes, "END"},
		{Memcached(), codec.OpGet, "VALUE 6964 0 6\r\na\r\nb\r\n\r\nEND\r\n", plan.Yes, "a\r\nb\r\n"},
		{Memcached(), codec.OpGet, "SERVER_ERROR Connection refused\r\n", plan.Unavailable, ""},
		{Memcached(), codec.OpHave, "VALUE 6964 0 1\r\nx\r\nEND\r\n", plan.Yes, "x"},
		{Memcached(), codec.OpHave, "END\r\n", plan.No, ""},
		{Memcached(), codec.OpRemove, "DELETED\r\n", plan.Yes, ""},
		{Memcached(), codec.OpRemove, "NOT_FOUND\r\n", plan.No, ""},
		{Redis(), codec.OpAdd, "+OK\r\n", plan.Yes, ""},
		{Redis(), codec.OpAdd, "$-1\r\n", plan.No, ""},
		{Redis(), codec.OpAdd, "-OOM command not allowed\r\n", plan.Unavailable, ""},
		{Redis(), codec.OpGet, "$-1\r\n", plan.No, ""},
		{Redis(), codec.OpGet, "$0\r\n\r\n", plan.Yes, ""},
		{Redis(), codec.OpGet, "$6\r\n$-1\r\nx\r\n", plan.Yes, "$-1\r\nx"},
		{Redis(), codec.OpGet, "-LOADING Redis is loading the dataset in memory\r\n", plan.Unavailable, ""},
		{Redis(), codec.OpHave, ":1\r\n", plan.Yes, ""},
		{Redis(), codec.OpHave, ":0\r\n", plan.No, ""},
		{Redis(), codec.OpRemove, ":1\r\n", plan.Yes, ""},
		{Redis(), codec.OpRemove, ":0\r\n", plan.No, ""},
	}
}

type answer struct {
	protocol plan.Protocol
	op       codec.Op
	wire     string
	kind     plan.AnswerKind
	data     string
}

func TestParseAnswer(t *testing.T) {
	for _, row := range answers() {
		asked := plan.Asked{Op: row.op, UID: 9}
		for _, behind := range []string{"", row.wire} {
			a, n, err := row.protocol.ParseAnswer([]byte(row.wire+behind), asked)
			if err != nil || n != len(row.wire) || a.Kind != row.kind || string(a.Data) != row.data || a.Asked != asked {
				t.Errorf("%s %v %q before %q: got %v %q, %d bytes (%v), want %v %q, %d bytes",
					row.protocol.Name(), row.op, row.wire, behind, a.Kind, a.Data, n, err, row.kind, row.data, len(row.wire))
			}
		}
	}
}

func TestEveryPrefixIsShort(t *testing.T) {
	for _, row := range answers() {
		for n := range len(row.wire) {
			if _, _, err := row.protocol.ParseAnswer([]byte(row.wire[:n]), plan.Asked{Op: row.op}); err != codec.ErrShort {
				t.Errorf("%s %v %q: got %v, want %v", row.protocol.Name(), row.op, row.wire[:n], err, codec.ErrShort)
			}
		}
	}
}

func TestNoAnswer(t *testing.T) {
	rows := []struct {
		name     string
		protocol plan.Protocol
		op       codec.Op
		wire     string
	}{
		{"error", Memcached(), codec.OpGet, "ERROR\r\n"},
		{"our own fault", Memcached(), codec.OpAdd, "CLIENT_ERROR bad data chunk\r\n"},
		{"another operation's", Memcached(), codec.OpGet, "STORED\r\n"},
		{"another operation's", Memcached(), codec.OpAdd, "END\r\n"},
		{"another operation's", Memcached(), codec.OpRemove, "STORED\r\n"},
		{"too many fields", Memcached(), codec.OpGet, "VALUE k 0 1 2\r\nx\r\nEND\r\n"},
		{"size is no number", Memcached(), codec.OpGet, "VALUE k 0 -1\r\nx\r\nEND\r\n"},
		{"size beyond a session's", Memcached(), codec.OpGet, "VALUE k 0 32769\r\nx\r\nEND\r\n"},
		{"longer than its size", Memcached(), codec.OpGet, "VALUE k 0 1\r\nxx\r\nEND\r\n"},
		{"two values", Memcached(), codec.OpGet, "VALUE k 0 1\r\nx\r\nVALUE k 0 1\r\nx\r\nEND\r\n"},
		{"no end of line", Memcached(), codec.OpGet, strings.Repeat("x", longestLine)},
		{"error", Redis(), codec.OpGet, "-ERR unknown command\r\n"},
		{"another operation's", Redis(), codec.OpGet, "+OK\r\n"},
		{"another operation's", Redis(), codec.OpAdd, ":1\r\n"},
		{"another operation's", Redis(), codec.OpHave, "$-1\r\n"},
		{"a count that cannot be", Redis(), codec.OpRemove, ":2\r\n"},
		{"size is no number", Redis(), codec.OpGet, "$x\r\n"},
		{"size beyond a session's", Redis(), codec.OpGet, "$32769\r\n"},
		{"longer than its size", Redis(), codec.OpGet, "$1\r\nxxx\r\n"},
		{"empty", Redis(), codec.OpGet, "\r\n"},
	}
	for _, row := range rows {
		if _, _, err := row.protocol.ParseAnswer([]byte(row.wire), plan.Asked{Op: row.op}); !errors.Is(err, ErrAnswer) {
			t.Errorf("%s %v, %s: got %v, want %v", row.protocol.Name(), row.op, row.name, err, ErrAnswer)
		}
	}
}

func TestDescribe(t *testing.T) {
	for _, p := range []plan.Protocol{Memcached(), Redis()} {
		got := strings.Join(p.Describe([]byte("one\r\ntwo \x00"), codec.Response), "|")
		if want := `"one\r\n"|"two \x00"`; got != want {
			t.Errorf("%s: got %s, want %s", p.Name(), got, want)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	buf := make([]byte, 0, 1024)
	hit := []byte("VALUE k 0 3\r\nabc\r\nEND\r\n")
	bulk := []byte("$3\r\nabc\r\n")
	get, add := request(codec.OpGet), request(codec.OpAdd)
	protocols := []plan.Protocol{Memcached(), Redis()}
	wires := [][]byte{hit, bulk}
	got := testing.AllocsPerRun(100, func() {
		for i, p := range protocols {
			buf = p.AppendRequest(p.AppendRequest(buf[:0], get), add)
			_, _, _ = p.ParseAnswer(wires[i], get.Asked)
		}
	})
	if got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
	if !bytes.Contains(buf, []byte("PX")) {
		t.Error("the requests were not made")
	}
}

func TestApacheKeys(t *testing.T) {
	r := plan.Request{Asked: plan.Asked{Op: codec.OpGet}, ID: []byte{0xab, 1}}
	if got, want := string(Apache().AppendRequest(nil, &r)), "get mod_ssl-sess:ab01\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
