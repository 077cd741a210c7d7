package address

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
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

// TestLookupAsksAnew: where a name server is silent, who waits again has it asked again beside the first query, no more often
// than there is room for, and the first answer counts.
func TestLookupAsksAnew(t *testing.T) {
	before := net.DefaultResolver
	defer func() { net.DefaultResolver = before }()
	var queries atomic.Int32
	var answers atomic.Bool
	refused := errors.New("refused")
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if answers.Load() {
			return nil, refused
		}
		queries.Add(1)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	l := StartLookup(Address{Kind: TCP, Host: "cache.example.net", Port: 9001})
	defer l.Cancel()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 * maxQueries {
		if _, err := l.Wait(over); !errors.Is(err, ErrNotResolved) {
			t.Fatalf("got %v, want ErrNotResolved", err)
		}
	}
	for began := time.Now(); queries.Load() < maxQueries && time.Since(began) < 20*time.Second; {
		time.Sleep(time.Millisecond)
	}
	l.mu.Lock()
	if l.queries != maxQueries {
		t.Errorf("got %d queries, want %d", l.queries, maxQueries)
	}
	l.queries-- // as if one had ended
	l.mu.Unlock()
	answers.Store(true)
	if _, err := l.Wait(t.Context()); !errors.Is(err, refused) && (err == nil || !strings.Contains(err.Error(), "refused")) {
		t.Errorf("got %v, want the answer of the last query", err)
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
