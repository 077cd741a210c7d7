package address

import (
	"errors"
	"strings"
	"testing"
)

// path returns an absolute path of n bytes.
func path(n int) string { return "/" + strings.Repeat("p", n-1) }

func TestParseListen(t *testing.T) {
	tests := []struct {
		name, text string
		want       Address
		canonical  string // "" is the text itself
	}{
		{"unix", "UNIX:/tmp/scache", Address{Kind: Unix, Path: "/tmp/scache"}, ""},
		{"unix relative", "UNIX:run/dc", Address{Kind: Unix, Path: "run/dc"}, ""},
		{"unix with colons", "UNIX:/tmp/a:b:1", Address{Kind: Unix, Path: "/tmp/a:b:1"}, ""},
		{"unix 107 bytes", "UNIX:" + path(107), Address{Kind: Unix, Path: path(107)}, ""},
		{"unix at sign in a directory", "UNIX:./@name", Address{Kind: Unix, Path: "./@name"}, ""},
		{"port", "IP:9001", Address{Kind: TCP, Port: 9001}, ""},
		{"port after two colons", "IP::9001", Address{Kind: TCP, Port: 9001}, "IP:9001"},
		{"port with leading zeros", "IP:009001", Address{Kind: TCP, Port: 9001}, "IP:9001"},
		{"port 0", "IP:0", Address{Kind: TCP}, ""},
		{"port 65535", "IP:65535", Address{Kind: TCP, Port: 65535}, ""},
		{"host name", "IP:cache.local-net:9001", Address{Kind: TCP, Host: "cache.local-net", Port: 9001}, ""},
		{"host name with a dot at the end", "IP:cache.:1", Address{Kind: TCP, Host: "cache.", Port: 1}, ""},
		{"host port 0", "IP:localhost:0", Address{Kind: TCP, Host: "localhost"}, ""},
		{"IPv4 address", "IP:127.0.0.1:9001", Address{Kind: TCP, Host: "127.0.0.1", Port: 9001}, ""},
		{"IPv6 address", "IP:[0:0::1]:9001", Address{Kind: TCP, Host: "::1", Port: 9001}, "IP:[::1]:9001"},
		{"IPv6 zone", "IP:[fe80::1%eth0]:9001", Address{Kind: TCP, Host: "fe80::1%eth0", Port: 9001}, ""},
		{"IPv4 scheme", "IPv4:cache:9001", Address{Kind: TCP, Family: IPv4, Host: "cache", Port: 9001}, ""},
		{"IPv4 scheme port", "IPv4:9001", Address{Kind: TCP, Family: IPv4, Port: 9001}, ""},
		{"IPv6 scheme name", "IPv6:cache:9001", Address{Kind: TCP, Family: IPv6, Host: "cache", Port: 9001}, ""},
		{"IPv6 scheme address", "IPv6:[::1]:9001", Address{Kind: TCP, Family: IPv6, Host: "::1", Port: 9001}, ""},
		{"IPv6 scheme port", "IPv6:9001", Address{Kind: TCP, Family: IPv6, Port: 9001}, ""},
		{"descriptor", "FD:3", Address{Kind: Descriptor, FD: 3}, ""},
		{"systemd", "systemd", Address{Kind: Systemd}, ""},
		{"systemd, by name", "systemd:dc-1.socket", Address{Kind: Systemd, Name: "dc-1.socket"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseListen(test.text)
			if err != nil || got != test.want {
				t.Fatalf("ParseListen(%q): got %+v, %v, want %+v", test.text, got, err, test.want)
			}
			canonical := test.canonical
			if canonical == "" {
				canonical = test.text
			}
			if got.String() != canonical {
				t.Errorf("String: got %q, want %q", got.String(), canonical)
			}
		})
	}
}

func TestParseConnect(t *testing.T) {
	for _, text := range []string{
		"UNIX:/tmp/scache", "IP:cache:9001", "IP:127.0.0.1:1", "IP:[::1]:65535", "IPv4:cache:9001", "IPv6:[::1]:9001",
	} {
		got, err := ParseConnect(text)
		if err != nil || got.String() != text {
			t.Errorf("ParseConnect(%q): got %q, %v, want the same text", text, got, err)
		}
	}
}

func TestBadAddresses(t *testing.T) {
	tests := []struct {
		name, text string
		want       error
	}{
		{"empty", "", ErrEmpty},
		{"unknown scheme", "SSL:host:1", ErrScheme},
		{"no scheme", "host", ErrScheme},
		{"only a port", ":65536", ErrScheme},
		{"lower case", "unix:/tmp/scache", ErrScheme},
		{"systemd without the name", "systemd:", ErrSocketName},
		{"systemd with two colons", "systemd:a:b", ErrSocketName},
		{"systemd with a space", "systemd:a b", ErrSocketName},
		{"systemd with a long name", "systemd:" + strings.Repeat("n", 256), ErrSocketName},
		{"systemd in capitals", "Systemd:a", ErrScheme},
		{"space before", " IP:9001", ErrScheme},
		{"scheme alone", "IPv6", ErrNoColon},
		{"TLS without a port", "TLS:host:", ErrNoPort},
		{"TLS alone", "TLS", ErrNoColon},
		{"TLS in lower case", "tls:host:9001", ErrScheme},
		{"no path", "UNIX:", ErrNoPath},
		{"path of 108 bytes", "UNIX:" + path(108), ErrLongPath},
		{"path of 130 bytes", "UNIX:" + path(130), ErrLongPath},
		{"path with NUL", "UNIX:/tmp/a\x00b", ErrPathByte},
		{"path with newline", "UNIX:/tmp/a\nb", ErrPathByte},
		{"path of a directory", "UNIX:/tmp/", ErrDirectory},
		{"abstract", "UNIX:@name", ErrAbstract},
		{"no port", "IP:", ErrNoPort},
		{"host without port", "IP:host:", ErrNoPort},
		{"host alone", "IP:host", ErrPort},
		{"port 65536", "IP:host:65536", ErrPort},
		{"port 2^64", "IP:host:18446744073709551616", ErrPort},
		{"port with sign", "IP:+1", ErrPort},
		{"negative port", "IP:-1", ErrPort},
		{"port with space", "IP: 1", ErrPort},
		{"port in hexadecimal", "IP:0x10", ErrPort},
		{"port with underscore", "IP:9_001", ErrPort},
		{"port in Arabic digits", "IP:٣", ErrPort},
		{"bare IPv6 address", "IP:::1:9001", ErrBrackets},
		{"two hosts", "IP:a:b:9001", ErrBrackets},
		{"open bracket", "IP:[::1:9001", ErrBrackets},
		{"empty brackets", "IP:[]:9001", ErrBrackets},
		{"IPv4 in brackets", "IP:[127.0.0.1]:9001", ErrBrackets},
		{"name in brackets", "IP:[localhost]:9001", ErrBrackets},
		{"bad zone", "IP:[fe80::1%a]b]:9001", ErrHost},
		{"host with space", "IP:my host:9001", ErrHost},
		{"host star", "IP:*:9001", ErrHost},
		{"host with an empty label", "IP:a..b:9001", ErrHost},
		{"host dot", "IP:.:9001", ErrHost},
		{"long label", "IP:" + strings.Repeat("a", 64) + ":9001", ErrHost},
		{"long name", "IP:" + strings.Repeat("a.", 127) + "a:9001", ErrHost},
		{"IPv4 octet over 255", "IP:127.0.0.300:9001", ErrHost},
		{"IPv4 short form", "IP:127.1:9001", ErrHost},
		{"IPv6 under IPv4", "IPv4:[::1]:9001", ErrFamily},
		{"IPv4 under IPv6", "IPv6:127.0.0.1:9001", ErrFamily},
		{"no descriptor", "FD:", ErrDescriptor},
		{"descriptor 2", "FD:2", ErrDescriptor},
		{"descriptor with sign", "FD:+3", ErrDescriptor},
		{"descriptor over 2^31-1", "FD:2147483648", ErrDescriptor},
		{"descriptor 2^64", "FD:18446744073709551616", ErrDescriptor},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseListen(test.text)
			checkError(t, test.text, err, test.want)
			_, err = ParseConnect(test.text)
			checkError(t, test.text, err, test.want)
		})
	}
}

func TestNotConnectable(t *testing.T) {
	tests := []struct {
		name, text string
		want       error
	}{
		{"every interface", "IP:9001", ErrNoHost},
		{"every interface, two colons", "IP::9001", ErrNoHost},
		{"every interface, IPv6", "IPv6:9001", ErrNoHost},
		{"port 0", "IP:host:0", ErrPortZero},
		{"descriptor", "FD:3", ErrListenOnly},
		{"systemd", "systemd", ErrListenOnly},
		{"systemd, by name", "systemd:web", ErrListenOnly},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := ParseListen(test.text); err != nil {
				t.Fatalf("ParseListen(%q): got %v, want no error", test.text, err)
			}
			_, err := ParseConnect(test.text)
			checkError(t, test.text, err, test.want)
		})
	}
}

// checkError demands one line that names the text, and the wanted reason.
func checkError(t *testing.T, text string, err, want error) {
	t.Helper()
	var bad *Error
	if !errors.As(err, &bad) || bad.Text != text || !errors.Is(err, want) {
		t.Fatalf("%q: got error %v, want *Error with %v", text, err, want)
	}
	line := err.Error()
	if !strings.HasPrefix(line, "bad address \"") || strings.ContainsAny(line, "\n\x00") {
		t.Errorf("%q: got message %q, want one line that starts with: bad address", text, line)
	}
}

func TestErrorText(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no port", "IP:", `bad address "IP:": there is no port`},
		{"length", "UNIX:" + path(108),
			`bad address "UNIX:` + path(108) + `": the path is too long for a unix socket: it has 108 bytes, and at most 107 fit`},
		{"wrong case", "ip:9001",
			`bad address "ip:9001": unknown scheme: want UNIX:, IP:, IPv4:, IPv6:, FD: or systemd; did you mean IP:`},
		{"family", "IPv4:[::1]:1", `bad address "IPv4:[::1]:1": the host's IP version is not that of the scheme`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := ParseListen(test.text); err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// TestTLSAddresses: they are read by programs that speak TLS, and refused by all others.
func TestTLSAddresses(t *testing.T) {
	for _, row := range []struct {
		text        string
		want        Address
		canonical   string
		connectable bool
	}{
		{"TLS:cache:9001", Address{Kind: TLS, Host: "cache", Port: 9001}, "TLS:cache:9001", true},
		{"TLS:127.0.0.1:9001", Address{Kind: TLS, Host: "127.0.0.1", Port: 9001}, "TLS:127.0.0.1:9001", true},
		{"TLS:[0::1]:9001", Address{Kind: TLS, Host: "::1", Port: 9001}, "TLS:[::1]:9001", true},
		{"TLS:9001", Address{Kind: TLS, Port: 9001}, "TLS:9001", false},
		{"TLS::9001", Address{Kind: TLS, Port: 9001}, "TLS:9001", false},
		{"TLS:localhost:0", Address{Kind: TLS, Host: "localhost"}, "TLS:localhost:0", false},
	} {
		got, err := ParseSecureListen(row.text)
		if err != nil || got != row.want || got.String() != row.canonical {
			t.Errorf("ParseSecureListen(%q): got %+v, %v, want %+v", row.text, got, err, row.want)
		}
		connect, err := ParseSecureConnect(row.text)
		if row.connectable && connect != row.want || (err == nil) != row.connectable {
			t.Errorf("ParseSecureConnect(%q): got %+v, %v, want that it succeeds: %v", row.text, connect, err, row.connectable)
		}
		_, err = ParseListen(row.text)
		checkError(t, row.text, err, ErrTLS)
		if row.connectable {
			_, err = ParseConnect(row.text)
			checkError(t, row.text, err, ErrTLS)
		}
		if _, err := got.Dial(t.Context()); !errors.Is(err, ErrTLS) {
			t.Errorf("Dial of %s: got %v, want ErrTLS: it would be a plain connection", got, err)
		}
	}
}

// TestAcceptedSchemes: each parser names the schemes that it accepts.
func TestAcceptedSchemes(t *testing.T) {
	for _, row := range []struct {
		name  string
		parse func(string) (Address, error)
		want  string
	}{
		{"ParseListen", ParseListen, "UNIX:, IP:, IPv4:, IPv6:, FD: or systemd"},
		{"ParseConnect", ParseConnect, "UNIX:, IP:, IPv4: or IPv6:"},
		{"ParseSecureListen", ParseSecureListen, "UNIX:, IP:, IPv4:, IPv6:, TLS:, FD: or systemd"},
		{"ParseSecureConnect", ParseSecureConnect, "UNIX:, IP:, IPv4:, IPv6: or TLS:"},
	} {
		want := `bad address "x:1": unknown scheme: want ` + row.want
		if _, err := row.parse("x:1"); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", row.name, err, want)
		}
	}
}
