package kit

import (
	"io"
	"net"
	"testing"
)

// Greet writes a line to each client of the listener and closes it, until the test ends.
func Greet(t testing.TB, listener net.Listener) {
	ended := make(chan struct{})
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "welcome\n")
			_ = conn.Close()
		}
	}()
}
