package kit

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
)

// Terminate listens for TLS on a port of 127.0.0.1, and passes what comes on to a server without
// TLS, until the test ends.
func Terminate(t testing.TB, config *tls.Config, to Endpoint) Endpoint {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	keep := func(c net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		open = append(open, c)
	}
	serve := func(near net.Conn) {
		defer near.Close()
		if near.(*tls.Conn).Handshake() != nil {
			return
		}
		far, err := to.dial()
		if err != nil {
			return
		}
		keep(far)
		defer far.Close()
		running.Go(func() {
			_, _ = io.Copy(far, near)
			_ = closeWrite(far)
		})
		_, _ = io.Copy(near, far)
	}
	running.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			keep(near)
			running.Go(func() { serve(near) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return Endpoint{"tcp", l.Addr().String()}
}
