package conn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"distcache/codec/address"
	"distcache/engine/socket"
	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// listening is an endpoint that accepts.
func listening(t *testing.T, network, where string) endpoint {
	t.Helper()
	ln, err := net.Listen(network, where)
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
		t.Skip("this machine has no IPv6")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	at := ln.Addr().String()
	return endpoint{name: at, network: network, address: at}
}

// TestConnectedDescriptor holds what is handed to the loop to what the loop needs: it never
// blocks, no program that is started gets it, and Go's runtime does not watch it any more.
func TestConnectedDescriptor(t *testing.T) {
	for _, e := range []endpoint{
		listening(t, "tcp", "127.0.0.1:0"),
		listening(t, "unix", socketPath(t)),
	} {
		t.Run(e.network, func(t *testing.T) {
			m, err := e.connect(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			fd := m.fd
			defer unix.Close(fd)
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
				t.Errorf("got the flags %#x, %v, want O_NONBLOCK among them", flags, err)
			}
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("got the flags %#x, %v, want FD_CLOEXEC among them", flags, err)
			}
			if _, err := socket.Read(fd, make([]byte, 1)); err != unix.EAGAIN {
				t.Errorf("got %v, want EAGAIN from a read", err)
			}
			if watched(t, fd) {
				t.Error("an epoll set still has the socket")
			}
		})
	}
}

// watched reports whether an epoll set of this process has the socket fd, under any number.
func watched(t *testing.T, fd int) bool {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		t.Fatal(err)
	}
	sets, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil || len(sets) == 0 {
		t.Fatalf("got %v, %v, want the descriptors", sets, err)
	}
	for _, set := range sets {
		info, _ := os.ReadFile(set) // one may be closed by now
		for line := range strings.Lines(string(info)) {
			if strings.HasPrefix(line, "tfd:") && strings.Contains(line, fmt.Sprintf(" ino:%x ", stat.Ino)) {
				return true
			}
		}
	}
	return false
}

// TestWatchedFinds holds the look-up of the test above to a socket that is watched.
func TestWatchedFinds(t *testing.T) {
	e := listening(t, "tcp", "127.0.0.1:0")
	c, err := net.Dial(e.network, e.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		if !watched(t, int(fd)) {
			t.Error("a socket of package net is not found in any epoll set")
		}
	})
}

// TestN17ConnectionsAreNotDelayed: what is written to dc_server goes out at once, whatever
// is not acknowledged yet; and the kernel looks for a dc_server that has gone.
func TestN17ConnectionsAreNotDelayed(t *testing.T) {
	for _, where := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(where, func(t *testing.T) {
			m, err := listening(t, "tcp", where).connect(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			fd := m.fd
			defer unix.Close(fd)
			for _, o := range []struct {
				name         string
				option, want int
			}{
				{"TCP_NODELAY", unix.TCP_NODELAY, 1},
				{"TCP_KEEPIDLE", unix.TCP_KEEPIDLE, 10},
				{"TCP_USER_TIMEOUT", unix.TCP_USER_TIMEOUT, 10_000},
			} {
				if got, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, o.option); err != nil || got != o.want {
					t.Errorf("%s: got %d, %v, want %d", o.name, got, err, o.want)
				}
			}
		})
	}
}

// TestZone: a link-local address is connected to on the interface that it names.
func TestZone(t *testing.T) {
	target, err := address.ParseConnect("IP:[fe80::1%lo]:9001")
	if err != nil {
		t.Fatal(err)
	}
	found, err := resolve(t.Context(), target, startLookup(target))
	if err != nil || len(found) != 1 {
		t.Fatalf("got %v, %v, want one endpoint", found, err)
	}
	to, err := net.ResolveTCPAddr(found[0].network, found[0].address)
	if err != nil || to.Zone != "lo" || to.Port != 9001 || found[0].name != "[fe80::1%lo]:9001" {
		t.Errorf("got %s, %v, %v, want [fe80::1%%lo]:9001 with the zone lo", found[0].name, to, err)
	}
}

// TestDialEndsWithItsContext: neither a silent name server nor an address that hangs keeps
// dial. Without the context, the kernel would try for minutes.
func TestDialEndsWithItsContext(t *testing.T) {
	cause := errors.New("as the test wants it")
	ctx, cancel := context.WithCancelCause(t.Context())
	a := &attempt{cancel: func() {}, made: made{fd: -1}}
	hangs := fmt.Sprintf("%s:%d", goodIP, fullBacklog(t, goodIP, 0))
	a.route = route{known: []endpoint{{name: hangs, network: "tcp", address: hangs}}}
	a.lookup = startLookup(address.Address{Kind: address.TCP, Host: noAnswer, Port: 1})
	defer a.lookup.Cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := a.dial(ctx)
		ended <- err
	}()
	a.awaitConnecting(t)
	cancel(cause)
	select {
	case err := <-ended:
		if !errors.Is(err, cause) {
			t.Errorf("got %v, want the cause", err)
		}
	case <-time.After(patience):
		t.Fatal("dial goes on")
	}
}

// awaitConnecting waits until the first address is being tried.
func (a *attempt) awaitConnecting(t *testing.T) {
	t.Helper()
	kit.Wait(t, patience, "attempt to connect", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.tried == 1
	})
}
