package address

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestLookup: the address is found for each who waits; whose time is over gets ErrNotResolved, and
// the next one the result.
func TestLookup(t *testing.T) {
	l := StartLookup(Address{Kind: TCP, Host: "127.0.0.1", Port: 9001})
	defer l.Cancel()
	if l.Used() {
		t.Error("got a look-up used before Wait")
	}
	for range 2 {
		if found, err := l.Wait(t.Context()); err != nil || fmt.Sprint(found) != "[127.0.0.1:9001]" {
			t.Errorf("got %v, %v, want 127.0.0.1:9001", found, err)
		}
	}
	if !l.Used() {
		t.Error("got a look-up not used after Wait")
	}
	pending := &Lookup{done: make(chan struct{})}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pending.Wait(over); !errors.Is(err, ErrNotResolved) || pending.Used() {
		t.Errorf("got %v, want ErrNotResolved, and the result left for the next", err)
	}
}

// TestDialAny goes through the addresses, also past one that does not answer.
func TestDialAny(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	good := netip.MustParseAddrPort(l.Addr().String())
	refuses := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), good.Port())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := DialAny(ctx, []netip.AddrPort{refuses, good})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if _, err := DialAny(ctx, []netip.AddrPort{refuses}); err == nil {
		t.Error("got no error where nothing listens")
	}
	cancel()
	if _, err := DialAny(ctx, []netip.AddrPort{good}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v after the end of the context, want it", err)
	}
}
