package client

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	"distcache/codec/address"
)

// addresses of every form, good and bad.
func addresses() []string {
	return []string{
		"UNIX:/tmp/scache", "UNIX:run/dc", "UNIX:/tmp/a:b", "UNIX:./@name", "UNIX:/" + strings.Repeat("p", 106),
		"IP:cache:9001", "IP:cache.local-net:9001", "IP:cache.:1", "IP:127.0.0.1:1", "IP:[::1]:65535", "IP:[0:0::1]:9001",
		"IP:[fe80::1%eth0]:9001", "IP:host:009001", "IPv4:cache:9001", "IPv4:10.0.0.1:1", "IPv6:cache:9001", "IPv6:[::1]:1",

		"", "UNIX", "UNIX:", "UNIX:@name", "UNIX:/tmp/", "UNIX:/tmp/a\x00b", "UNIX:/tmp/a\nb", "UNIX:/" + strings.Repeat("p", 107),
		"unix:/tmp/scache", "ip:host:1", "host:1", ":1", "/tmp/scache", " IP:host:1", "FD:3", "systemd", "SSL:host:1", "TLS:",
		"IP:", "IP:9001", "IP::9001", "IP:host", "IP:host:", "IP:host:0", "IP:host:65536", "IP:host:18446744073709551616",
		"IP:host:+1", "IP:host:-1", "IP:host: 1", "IP:host:0x10", "IP:host:9_001", "IP:host:٣", "IP:::1:9001", "IP:a:b:9001",
		"IP:[::1:9001", "IP:[]:9001", "IP:[127.0.0.1]:9001", "IP:[localhost]:9001", "IP:[fe80::1%a]b]:9001", "IP:my host:9001",
		"IP:*:9001", "IP:a..b:9001", "IP:.:9001", "IP:" + strings.Repeat("a", 64) + ":9001", "IP:" + strings.Repeat("a.", 127) + "a:9001",
		"IP:127.0.0.300:9001", "IP:127.1:9001", "IPv4:[::1]:9001", "IPv6:127.0.0.1:9001", "IPv6:9001",
	}
}

// TestAddressesAreThoseOfTheTools: what dc_client takes for -server, and nothing else.
func TestAddressesAreThoseOfTheTools(t *testing.T) {
	good := 0
	for _, text := range addresses() {
		if sameAddress(t, text) {
			good++
		}
	}
	if good != 17 {
		t.Errorf("got %d of them accepted, want 17", good)
	}
}

func FuzzAddress(f *testing.F) {
	for _, text := range addresses() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { sameAddress(t, text) })
}

// sameAddress holds that the text means here what it means to the tools, and reports
// whether that is an address to connect to.
func sameAddress(t *testing.T, text string) bool {
	t.Helper()
	got, err := parseAddress(text)
	theirs, theirErr := address.ParseConnect(text)
	if (err == nil) != (theirErr == nil) {
		t.Errorf("%q: got error %v, want as the tools have: %v", text, err, theirErr)
	}
	if err != nil {
		wantOneLine(t, text, err)
		return false
	}
	if want := asEndpoint(theirs); got != want {
		t.Errorf("%q: got %+v, want %+v", text, got, want)
	}
	return true
}

func asEndpoint(a address.Address) endpoint {
	if a.Kind == address.Unix {
		return endpoint{"unix", a.Path}
	}
	networks := map[address.Family]string{address.AnyFamily: "tcp", address.IPv4: "tcp4", address.IPv6: "tcp6"}
	return endpoint{networks[a.Family], net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port)))}
}

func wantOneLine(t *testing.T, text string, err error) {
	t.Helper()
	if !errors.Is(err, ErrAddress) || !strings.HasPrefix(err.Error(), "bad address \"") || strings.ContainsAny(err.Error(), "\n\x00") {
		t.Errorf("%q: got error %q, want ErrAddress, in one line that starts with the address", text, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name, address string
		opt           Options
		want          error
	}{
		{"address", "IP:9001", Options{}, ErrAddress},
		{"timeout", "UNIX:/tmp/scache", Options{Timeout: -1}, ErrOptions},
		{"idle connections", "UNIX:/tmp/scache", Options{MaxIdle: -1}, ErrOptions},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(test.address, test.opt)
			wantErr(t, "Open", err, test.want)
			_, err = Dial(t.Context(), test.address, test.opt)
			wantErr(t, "Dial", err, test.want)
		})
	}
}
