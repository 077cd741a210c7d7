package redis

import (
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

func TestVerbs(t *testing.T) {
	for _, row := range []struct {
		op   codec.Op
		ttl  time.Duration
		want verb
	}{
		{codec.OpGet, 0, get}, {codec.OpHave, 0, exists}, {codec.OpRemove, 0, del},
		{codec.OpAdd, time.Hour, set}, {codec.OpAdd, time.Millisecond, set}, {codec.OpAdd, 0, exists},
	} {
		if got := verbOf(row.op, row.ttl); got != row.want {
			t.Errorf("%v for %v: got %v, want %v", row.op, row.ttl, got, row.want)
		}
	}
	if got := string(appendTTL(nil, 7*24*time.Hour)); got != "604800000" {
		t.Errorf("7 days: got PX %s, want 604800000", got)
	}
}

// TestOutcomes maps every form of a reply to every command.
func TestOutcomes(t *testing.T) {
	ok, nothing, empty := reply{shape: isStatus}, reply{shape: isNull}, reply{shape: isBulk}
	data := reply{shape: isBulk, data: []byte("s")}
	number := func(n int64) reply { return reply{shape: isNumber, number: n} }
	const lie = codec.StatusDisconnected
	for _, row := range []struct {
		name string
		op   codec.Op
		ttl  time.Duration
		r    reply
		want codec.Status
		kind Kind
	}{
		{"GET, hit", codec.OpGet, 0, data, codec.StatusOK, OK},
		{"GET, miss", codec.OpGet, 0, nothing, codec.StatusNotOK, OK},
		{"GET, nothing in it", codec.OpGet, 0, empty, codec.StatusNotOK, OK},
		{"GET, +OK", codec.OpGet, 0, ok, lie, Protocol},
		{"GET, a number", codec.OpGet, 0, number(1), lie, Protocol},
		{"GET, an array", codec.OpGet, 0, reply{shape: isOther}, lie, Protocol},
		{"ADD, stored", codec.OpAdd, time.Hour, ok, codec.StatusOK, OK},
		{"ADD, there already", codec.OpAdd, time.Hour, nothing, codec.StatusAddExists, OK},
		{"ADD, data", codec.OpAdd, time.Hour, data, lie, Protocol},
		{"ADD, a number", codec.OpAdd, time.Hour, number(0), lie, Protocol},
		{"ADD for no time", codec.OpAdd, 0, number(0), codec.StatusOK, OK},
		{"ADD for no time, there already", codec.OpAdd, 0, number(1), codec.StatusAddExists, OK},
		{"ADD for no time, +OK", codec.OpAdd, 0, ok, lie, Protocol},
		{"REMOVE", codec.OpRemove, 0, number(1), codec.StatusOK, OK},
		{"REMOVE, not there", codec.OpRemove, 0, number(0), codec.StatusNotOK, OK},
		{"REMOVE, two", codec.OpRemove, 0, number(2), lie, Protocol},
		{"REMOVE, null", codec.OpRemove, 0, nothing, lie, Protocol},
		{"HAVE", codec.OpHave, 0, number(1), codec.StatusOK, OK},
		{"HAVE, not there", codec.OpHave, 0, number(0), codec.StatusNotOK, OK},
		{"HAVE, less than nothing", codec.OpHave, 0, number(-1), lie, Protocol},
		{"an error", codec.OpAdd, time.Hour, refusal("OOM command not allowed"), lie, Memory},
		{"late", codec.OpGet, 0, failure(Late, "no answer"), lie, Late},
	} {
		got := outcomeOf(row.op, verbOf(row.op, row.ttl), &row.r)
		if got.status != row.want || got.kind != row.kind || (got.data != nil) != (row.op == codec.OpGet && row.want == codec.StatusOK) {
			t.Errorf("%s: got %+v, want %v, %v", row.name, got, row.want, row.kind)
		}
	}
}

func TestKinds(t *testing.T) {
	for text, want := range map[string]Kind{
		"LOADING Redis is loading the dataset in memory":                                   Loading,
		"CLUSTERDOWN The cluster is down":                                                  ClusterDown,
		"CLUSTERDOWN Hash slot not served":                                                 ClusterDown,
		"MOVED 3999 127.0.0.1:6381":                                                        Moved,
		"ASK 3999 127.0.0.1:6381":                                                          Moved,
		"TRYAGAIN Multiple keys request during rehashing of slot":                          Moved,
		"READONLY You can't write against a read only replica.":                            ReadOnly,
		"OOM command not allowed when used memory > 'maxmemory'.":                          Memory,
		"MISCONF Redis is configured to save RDB snapshots":                                NotWritable,
		"NOREPLICAS Not enough good replicas to write.":                                    NotWritable,
		"NOAUTH Authentication required.":                                                  Auth,
		"WRONGPASS invalid username-password pair or user is disabled.":                    Auth,
		"NOPERM this user has no permissions to run the 'set' command":                     Auth,
		"ERR invalid password":                                                             Auth,
		"ERR AUTH <password> called without any password configured for the default user":  Auth,
		"ERR Client sent AUTH, but no password is set":                                     Auth,
		"BUSY Redis is busy running a script.":                                             Busy,
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": Busy,
		"max number of clients reached":                                                    Busy,
		"ERR max number of clients reached":                                                Busy,
		"ERR unknown command 'GET', with args beginning with: ":                            Other,
		"WRONGTYPE Operation against a key holding the wrong kind of value":                Other,
		"": Other,
	} {
		if got := kindOf(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// TestReasonsHoldNoSecret: an error may quote the command that was refused.
func TestReasonsHoldNoSecret(t *testing.T) {
	quoting := "unknown command 'SET', with args beginning with: 'p:id' 'session' 'NX' "
	for text, want := range map[string]string{
		quoting:                          "unknown command 'SET'",
		"LOADING x":                      "LOADING x",
		strings.Repeat("x", maxReason+1): strings.Repeat("x", maxReason) + "…",
	} {
		if r := refusal(text); r.text != want {
			t.Errorf("got %q, want %q", r.text, want)
		}
	}
	f := newFake(t, func([]string) string { return "-ERR " + quoting + "\r\n" })
	l := newLive(t, "redis://"+f.address+"?mode=cluster")
	kit.Wait(t, kit.Patience, "the reason", func() bool {
		reason := make(chan string)
		_ = l.Post(func() { reason <- l.store.Status(l.Now()).LastError })
		text := <-reason
		if strings.Contains(text, "session") {
			t.Fatalf("got %q on the status page, want no argument", text)
		}
		return strings.Contains(text, "unknown command")
	})
}

func TestRedirects(t *testing.T) {
	for _, row := range []struct {
		text, want string
		asking, ok bool
	}{
		{"MOVED 3999 127.0.0.1:6381", "127.0.0.1:6381", false, true},
		{"ASK 3999 cache.example.net:6381", "cache.example.net:6381", true, true},
		{"MOVED 3999 fd00::1:6381", "[fd00::1]:6381", false, true},
		{"MOVED 3999 [fd00::1]:6381", "[fd00::1]:6381", false, true},
		{"MOVED 3999 :6381", "10.0.0.1:6381", false, true}, // its own host
		{"MOVED 3999 ?:6381", "", false, false},
		{"MOVED 3999 a:", "", false, false}, {"MOVED 3999 a:b", "", false, false}, {"MOVED 3999 a:0", "", false, false},
		{"MOVED 3999", "", false, false}, {"MOVED", "", false, false}, {"TRYAGAIN a b", "", false, false}, {"", "", false, false},
	} {
		got, ok := redirectOf(row.text, "10.0.0.1:6379")
		if ok != row.ok || ok && (got.address != row.want || got.asking != row.asking) {
			t.Errorf("%q: got %+v, %v, want %s, %v", row.text, got, ok, row.want, row.ok)
		}
	}
}
