package address

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"
)

func TestIsRelative(t *testing.T) {
	tests := []struct {
		name, text string
		want       bool
	}{
		{"absolute", "UNIX:/tmp/a", false},
		{"relative", "UNIX:a", true},
		{"dot", "UNIX:./a", true},
		{"tcp", "IP:9001", false},
		{"systemd", "systemd", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			addr, err := ParseListen(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := addr.IsRelative(); got != test.want {
				t.Errorf("%s: got %v, want %v", test.text, got, test.want)
			}
		})
	}
}

func TestIsLoopback(t *testing.T) {
	for text, want := range map[string]bool{
		"IP:127.0.0.1:1": true, "IP:127.9.9.9:1": true, "IPv4:localhost:1": true, "IP:LocalHost:1": true, "IPv6:[::1]:1": true,
		"IP:[::ffff:127.0.0.1]:1": true, "IP:1": false, "IP:192.0.2.1:1": false, "IP:localhost.example.net:1": false,
		"IPv6:[fe80::1%lo]:1": false, "IP:cache:1": false, "UNIX:/localhost": false, "systemd": false,
	} {
		addr, err := ParseListen(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := addr.IsLoopback(); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	tests := []struct{ got, want string }{
		{Unix.String(), "unix"},
		{TCP.String(), "tcp"},
		{TLS.String(), "tls"},
		{Descriptor.String(), "descriptor"},
		{Systemd.String(), "systemd"},
		{Kind(0).String(), "no address"},
		{AnyFamily.String(), "IP"},
		{IPv4.String(), "IPv4"},
		{IPv6.String(), "IPv6"},
		{Address{}.String(), ""},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

func TestEndpoint(t *testing.T) {
	tests := []struct{ text, network, target string }{
		{"UNIX:/tmp/scache", "unix", "/tmp/scache"},
		{"IP:cache:9001", "tcp", "cache:9001"},
		{"IPv4:cache:9001", "tcp4", "cache:9001"},
		{"IPv6:[::1]:9001", "tcp6", "[::1]:9001"},
		{"IP:9001", "tcp", ":9001"},
	}
	for _, test := range tests {
		addr, err := ParseListen(test.text)
		if err != nil {
			t.Fatal(err)
		}
		if network, target := addr.Endpoint(); network != test.network || target != test.target {
			t.Errorf("%s: got %s %s, want %s %s", test.text, network, target, test.network, test.target)
		}
	}
}

// TestResolveKeepsLiterals: an address that is written in digits needs no resolver, and keeps its zone.
func TestResolveKeepsLiterals(t *testing.T) {
	for text, want := range map[string]string{
		"IP:192.0.2.1:9001":          "192.0.2.1:9001",
		"IP:[fe80::1%lo]:9001":       "[fe80::1%lo]:9001",
		"IP:[::ffff:192.0.2.1]:9001": "192.0.2.1:9001",
	} {
		addr, err := ParseConnect(text)
		if err != nil {
			t.Fatal(err)
		}
		found, err := addr.Resolve(t.Context(), nil)
		if err != nil || len(found) != 1 || found[0].String() != want {
			t.Errorf("%s: got %v, %v, want %s", text, found, err, want)
		}
	}
}

func TestResolveKeepsToTheFamily(t *testing.T) {
	addr := Address{Kind: TCP, Host: "localhost", Port: 1, Family: IPv4}
	found, err := addr.Resolve(t.Context(), nil)
	if err != nil || len(found) == 0 {
		t.Skipf("localhost has no IPv4 address here: %v, %v", found, err)
	}
	for _, f := range found {
		if !f.Addr().Is4() {
			t.Errorf("got %v, want IPv4 addresses alone", f)
		}
	}
}

func TestZoneIndex(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip(err)
	}
	for zone, want := range map[string]uint32{"": 0, "7": 7, "lo": uint32(lo.Index)} {
		if got, err := ZoneIndex(zone); got != want || err != nil {
			t.Errorf("%q: got %d, %v, want %d", zone, got, err, want)
		}
	}
	if _, err := ZoneIndex("no-such-link"); err == nil {
		t.Error("an interface that does not exist: got no error")
	}
}

func TestDial(t *testing.T) {
	addr := Address{Kind: Unix, Path: filepath.Join(t.TempDir(), "s")}
	if len(addr.Path) > MaxPath {
		t.Skip("the temporary directory has too long a path for a unix socket")
	}
	if _, err := addr.Dial(t.Context()); err == nil {
		t.Error("nothing listens: got no error")
	}
	l, err := net.Listen("unix", addr.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := addr.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	<-ctx.Done()
	if _, err := addr.Dial(ctx); !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
		t.Errorf("after the deadline: got %v, want a timeout", err)
	}
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}
