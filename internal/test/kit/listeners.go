package kit

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
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

// Backlog is a TCP listener that never accepts. Its backlog is full, so a connection to it
// hangs until the client gives up, or until Close.
type Backlog struct {
	At Endpoint

	fd      int
	waiting net.Conn // the one that fills it
}

// FullBacklog listens there, on an IPv4 address, until the test ends. Port 0 is any.
func FullBacklog(t testing.TB, at Endpoint) *Backlog {
	t.Helper()
	where, err := netip.ParseAddrPort(at.Address)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := &Backlog{fd: fd}
	t.Cleanup(b.Close)
	name := &unix.SockaddrInet4{Port: int(where.Port()), Addr: where.Addr().As4()}
	if err := errors.Join(unix.Bind(fd, name), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := bound.(*unix.SockaddrInet4).Port
	b.At = Endpoint{"tcp", netip.AddrPortFrom(where.Addr(), uint16(port)).String()}
	if b.waiting, err = b.At.dial(); err != nil {
		t.Fatal(err)
	}
	Wait(t, Patience, "full backlog", b.full)
	return b
}

// full reports whether the kernel drops the next SYN. For a listener tcp_info has the number
// of connections that wait to be accepted in “unacked”, and the backlog in “sacked”.
func (b *Backlog) full() bool {
	info, err := unix.GetsockoptTCPInfo(b.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.Unacked > info.Sacked
}

// Port is the port that it listens on.
func (b *Backlog) Port() int {
	return int(netip.MustParseAddrPort(b.At.Address).Port())
}

// Close ends it. Closing it again does nothing.
func (b *Backlog) Close() {
	if b.fd < 0 {
		return
	}
	_ = unix.Close(b.fd)
	b.fd = -1
	if b.waiting != nil {
		_ = b.waiting.Close()
	}
}
