package kit

import (
	"encoding/hex"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"distcache/codec"
)

func TestWithin(t *testing.T) {
	calls := 0
	if !Within(time.Minute, func() bool { calls++; return calls == 3 }) || calls != 3 {
		t.Errorf("got %d calls, want true at the third", calls)
	}
	calls = 0
	if Within(0, func() bool { calls++; return false }) || calls != 1 {
		t.Errorf("got %d calls and true, want 1 and false", calls)
	}
}

func TestWithinTakesItsTime(t *testing.T) {
	began := time.Now()
	if Within(50*time.Millisecond, func() bool { return false }) {
		t.Error("got true, want false")
	}
	if took := time.Since(began); took < 50*time.Millisecond || took > Patience {
		t.Errorf("got false after %v, want 50ms and not much more", took)
	}
}

func TestWaitSaysWhatDidNotCome(t *testing.T) {
	got := whatFails(t, func(t testing.TB) {
		Wait(t, time.Millisecond, "second coming", func() bool { return false })
	})
	mustSay(t, got, "got no second coming within 1ms")
	if got := whatFails(t, func(t testing.TB) { Wait(t, time.Minute, "x", func() bool { return true }) }); got != "" {
		t.Errorf("got failed with %q, want it to pass", got)
	}
}

func TestRandomTakesItsSeedBack(t *testing.T) {
	t.Setenv("SEED", "42")
	a, b := Random(t), Random(t)
	for range 10 {
		if x, y := a.Uint64(), b.Uint64(); x != y {
			t.Fatalf("got %d and %d of the same seed, want the same", x, y)
		}
	}
	t.Setenv("SEED", "43")
	if x, y := a.Uint64(), Random(t).Uint64(); x == y {
		t.Errorf("got %d of another seed too, want another", x)
	}
	t.Setenv("SEED", "many")
	mustSay(t, whatFails(t, func(t testing.TB) { Random(t) }), `SEED="many"`)
}

func TestMessages(t *testing.T) {
	tests := []struct {
		name string
		got  []byte
		want string
	}{
		{"Add", Add(1, "id", "data", time.Minute),
			"00110000" + "00" + "00000001" + "00" + "00" + "01" + "000e" + "0000ea60" + "00000002" + "6964" + "64617461"},
		{"Get", Get(2, "id"), "00110000" + "00" + "00000002" + "00" + "01" + "01" + "0002" + "6964"},
		{"Remove", Remove(3, "id"), "00110000" + "00" + "00000003" + "00" + "02" + "01" + "0002" + "6964"},
		{"Have", Have(4, "id"), "00110000" + "00" + "00000004" + "00" + "03" + "01" + "0002" + "6964"},
		{"Ask", Ask(5, codec.OpGet, nil), "00110000" + "00" + "00000005" + "00" + "01" + "01" + "0000"},
		{"Hit", Hit(6, "data"), "00110000" + "01" + "00000006" + "00" + "01" + "01" + "0004" + "64617461"},
		{"Status", Status(7, codec.OpHave, codec.StatusNotOK), "00110000" + "01" + "00000007" + "00" + "03" + "01" + "0001" + "01"},
		{"Answer", Answer(8, codec.OpAdd, nil), "00110000" + "01" + "00000008" + "00" + "00" + "01" + "0000"},
	}
	for _, tt := range tests {
		if got := hex.EncodeToString(tt.got); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// networks gives a fresh endpoint of each kind, by name.
func networks(t testing.TB) map[string]Endpoint {
	return map[string]Endpoint{"unix": Unix(t), "tcp": Loopback()}
}

func TestEndpointString(t *testing.T) {
	tests := []struct {
		at   Endpoint
		want string
	}{
		{Endpoint{"unix", "/tmp/dc1/s"}, "UNIX:/tmp/dc1/s"},
		{Endpoint{"tcp", "127.0.0.1:9001"}, "IP:127.0.0.1:9001"},
	}
	for _, tt := range tests {
		if got := tt.at.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestListenGivesTheEndpointToDial(t *testing.T) {
	for name, at := range networks(t) {
		t.Run(name, func(t *testing.T) {
			l, at, err := at.listen()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			sock, err := at.dial()
			if err != nil {
				t.Fatalf("got %v, want a connection to %v", err, at)
			}
			if tcp, ok := sock.RemoteAddr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
				t.Errorf("got %v, want loopback", tcp)
			}
			_ = sock.Close()
		})
	}
}

func TestSocketDir(t *testing.T) {
	var dir string
	t.Run("within", func(t *testing.T) {
		dir = SocketDir(t)
		if room := 107 - len(filepath.Join(dir, "")); room < 32 {
			t.Errorf("got %s, which leaves %d bytes for a name, want 32 at least", dir, room)
		}
		if other := SocketDir(t); other == dir {
			t.Errorf("got %s twice, want a fresh one", dir)
		}
	})
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("got %v of %s after its test, want it gone", err, dir)
	}
}

func TestListenNamesTheEndpoint(t *testing.T) {
	_, _, err := Endpoint{"unix", "/nonexistent/s"}.listen()
	if err == nil || !strings.Contains(err.Error(), "UNIX:/nonexistent/s") {
		t.Errorf("got %v, want an error with the endpoint", err)
	}
}
