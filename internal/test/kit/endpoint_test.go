package kit

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
