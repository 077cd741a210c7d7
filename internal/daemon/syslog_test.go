package daemon

import (
	"net"
	"testing"
)

// listenSyslog listens as a syslog daemon does, until the test ends.
func listenSyslog(t *testing.T, path string) syslogLines {
	t.Helper()
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sock.Close() })
	lines := make(chan string, 1000)
	go func() {
		for {
			b := make([]byte, 4096)
			n, err := sock.Read(b)
			if err != nil {
				return
			}
			lines <- string(b[:n])
		}
	}()
	return lines
}
