package redis

import (
	"fmt"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestLies: whatever a server answers, and however it ends its connections, requests are answered DISCONNECTED in time, the
// process lives, and all is well as soon as the server is.
func TestLies(t *testing.T) {
	for _, row := range []struct {
		name, answer string
		kind         Kind
	}{
		{"loading", "-LOADING Redis is loading the dataset in memory\r\n", Loading},
		{"cluster down", "-CLUSTERDOWN The cluster is down\r\n", ClusterDown},
		{"replica", "-READONLY You can't write against a read only replica.\r\n", ReadOnly},
		{"out of memory", "-OOM command not allowed when used memory > 'maxmemory'.\r\n", Memory},
		{"no auth", "-NOAUTH Authentication required.\r\n", Auth},
		{"busy", "-BUSY Redis is busy running a script.\r\n", Busy},
		{"hangs", "", Late},
		{"closes", closing, Connection},
		{"closes in a line", "+O" + closing, Connection},
		{"closes in a value", "$180\r\nabc" + closing, Connection},
		{"hangs in a value", "$180\r\nabc", Late},
		{"another form", "*1\r\n:1\r\n", Protocol},
		{"RESP3", "%1\r\n+a\r\n:1\r\n", Protocol},
		{"a push", ">3\r\n+message\r\n+a\r\n+b\r\n", Protocol},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n" + closing, Protocol},
		{"a length of 2^62", "$4611686018427387904\r\n", Protocol},
		{"a length below nothing", "$-7\r\n", Protocol},
		{"more than any session", fmt.Sprintf("$%d\r\n", dataLimits.bulk+1), Protocol},
		{"an array of 2^40", "*1099511627776\r\n", Protocol},
		{"two answers", "+OK\r\n+OK\r\n", Protocol},
		{"two numbers", ":1\r\n:1\r\n", Protocol},
		{"an answer and a half", ":1\r\n$5\r\nab", Protocol},
		{"MOVED without end", "-MOVED 1 127.0.0.1:1\r\n", Moved},
		{"MOVED to no place", "-MOVED 1 nowhere\r\n", Moved},
		{"TRYAGAIN", "-TRYAGAIN Multiple keys\r\n", Moved},
		{"an error of 10 KB", "-ERR " + strings.Repeat("x", 10_000) + "\r\n", Other},
		{"an empty error", "-\r\n", Other},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, honest)
			l := newLive(t, "redis://"+f.address)
			l.served()
			f.answers(liar(row.answer))
			kit.Wait(t, kit.Patience, "line about "+row.kind.String(), func() bool {
				for range 3 { // of one that comes late on a busy machine, the line is about that
					l.must(codec.OpAdd, "id", "session", codec.StatusDisconnected)
				}
				_, told := l.changed(row.kind)
				return told
			})
			f.answers(honest)
			if took := l.served(); took > 200*time.Millisecond {
				kit.TooSlow(t, "got it back after %v, want 200 ms", took)
			}
		})
	}
}

// TestMovedToItself: a server that sends commands to itself is asked a few times, and not for ever.
func TestMovedToItself(t *testing.T) {
	f := newFake(t, honest)
	l := newPatient(t, "redis://"+f.address)
	l.served()
	f.answers(liar("-MOVED 1 " + f.address + "\r\n"))
	l.must(codec.OpGet, "id", "", codec.StatusDisconnected)
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := 0
	for _, text := range f.seen {
		if text == "GET t:id" {
			asked++
		}
	}
	if asked != maxMoves+1 {
		t.Errorf("got the command %d times, want %d", asked, maxMoves+1)
	}
}

// TestAskingIsRefused: the reason is that of ASKING, which the user may not say, and not that of what came after it.
func TestAskingIsRefused(t *testing.T) {
	t.Parallel()
	target := newFake(t, func(words []string) string {
		switch words[0] {
		case "ASKING":
			return "-NOPERM User distcache has no permissions to run the 'asking' command\r\n"
		case "GET":
			return "-MOVED 5 127.0.0.1:1\r\n"
		}
		return honest(words)
	})
	f := newFake(t, honest)
	l := newPatient(t, "redis://"+f.address+"?mode=single")
	l.served()
	f.answers(liar("-ASK 5 " + target.address + "\r\n"))
	l.do(codec.OpGet, "id", "", 0)
	l.told(Auth)
}

// TestRedial: of a server that takes no ADDs each connection is made anew, and GETs are served meanwhile.
func TestRedial(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(words []string) string {
		if words[0] == "SET" {
			return "-READONLY You can't write against a read only replica.\r\n"
		}
		return honest(words)
	})
	l := newPatient(t, "redis://"+f.address+"?mode=single")
	l.served()
	for range 2 * connections { // each has a connection
		l.must(codec.OpGet, "id", "", codec.StatusNotOK)
	}
	f.mu.Lock()
	old := maps.Clone(f.open)
	f.mu.Unlock()
	l.must(codec.OpAdd, "id", "session", codec.StatusDisconnected)
	kit.Wait(t, kit.Patience, "end of the old connections", func() bool {
		l.must(codec.OpGet, "id", "", codec.StatusNotOK)
		f.mu.Lock()
		defer f.mu.Unlock()
		maps.DeleteFunc(old, func(c net.Conn, _ struct{}) bool { _, open := f.open[c]; return !open })
		return len(old) == 0
	})
}

// TestAnswersNobodyAskedFor: what a server sends while nothing is due becomes no answer.
func TestAnswersNobodyAskedFor(t *testing.T) {
	f := newFake(t, func(words []string) string {
		switch words[0] {
		case "GET":
			time.Sleep(5 * time.Millisecond) // so that what was sent before is read before
			return "$4\r\nmine\r\n"
		case "EXISTS":
			return ":0\r\n"
		}
		return honest(words)
	})
	l := newLive(t, "redis://"+f.address)
	l.served()
	for range 5 {
		for range 2 * connections { // each has a connection
			l.do(codec.OpGet, "id", "", 0)
		}
		f.mu.Lock()
		for c := range f.open {
			_, _ = c.Write([]byte("$6\r\nothers\r\n"))
		}
		f.mu.Unlock()
		if a := l.do(codec.OpGet, "id", "", 0); a.status == codec.StatusOK && a.data != "mine" {
			t.Fatalf("got %q, want the answer to the question or none", a.data)
		}
	}
}

// TestOnlyRelativeTimes: the clocks of two hosts are never compared (T08).
func TestOnlyRelativeTimes(t *testing.T) {
	f := newFake(t, honest)
	l := newPatient(t, "redis://"+f.address)
	l.served()
	for _, ttl := range []time.Duration{0, time.Millisecond, 1999 * time.Millisecond, 7 * 24 * time.Hour} {
		l.do(codec.OpAdd, "id", "s", ttl)
	}
	want := []string{"EXISTS t:id", "SET t:id s NX PX 1", "SET t:id s NX PX 1999", "SET t:id s NX PX 604800000"}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, text := range want {
		found := false
		for _, seen := range f.seen {
			found = found || seen == text
		}
		if !found {
			t.Errorf("got the commands %q, want %q among them", f.seen, text)
		}
	}
	for _, seen := range f.seen {
		if strings.Contains(seen, "EXAT") || strings.Contains(seen, "PXAT") || strings.Contains(seen, "EXPIREAT") {
			t.Errorf("got %q, want relative times alone", seen)
		}
	}
}
