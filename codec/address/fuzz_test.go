package address

import (
	"errors"
	"testing"
)

// FuzzParse holds that no text makes the parsers panic, that a good address survives its canonical text, and that what
// can be connected to can be listened on.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "UNIX:/tmp/scache", "UNIX:@a", "IP:9001", "IP::9001", "IP:host:9001", "IPv4:1.2.3.4:5", "IPv6:[::1]:5",
		"IP:[fe80::1%eth0]:1", "IP:[::ffff:1.2.3.4]:1", "IP:[]]:1", "IP:[", "IP:a.:1", "FD:3", "FD:-1", "systemd", "systemd:web", "TLS:a:1", "TLS:1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		addr, err := ParseSecureListen(text)
		var bad *Error
		if err != nil && !errors.As(err, &bad) {
			t.Fatalf("%q: got error %T, want *Error", text, err)
		}
		connect, connectErr := ParseSecureConnect(text)
		if connectErr == nil && (err != nil || connect != addr) {
			t.Fatalf("%q: got %+v to connect, but %+v, %v to listen", text, connect, addr, err)
		}
		if err != nil {
			return
		}
		again, err := ParseSecureListen(addr.String())
		if err != nil || again != addr {
			t.Fatalf("%q: its canonical text %q: got %+v, %v, want %+v", text, addr.String(), again, err, addr)
		}
	})
}
