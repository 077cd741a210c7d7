package main

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"distcache/codec/address"
	"distcache/internal/test/kit"
)

// TestClientLimit: one client too many is closed, and that is said. When another has left, there
// is room.
func TestClientLimit(t *testing.T) {
	t.Parallel()
	up, at := kit.NewUpstream(t, kit.Unix(t)), kit.Unix(t)
	l, err := net.Listen(at.Network, at.Address)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr lines
	c := &config{server: address.Address{Kind: address.Unix, Path: up.Endpoint().Address}}
	s := newStats(time.Now())
	record := startRecorder(c, s, &stdout, &stderr, nil)
	p := newProxy(c, record, s, openBarrier())
	others := new(connection)
	p.now[others] = struct{}{}
	for range maxConnections - 1 {
		p.now[new(connection)] = struct{}{}
	}
	var accepting sync.WaitGroup
	accepting.Go(func() { p.accept(t.Context(), l) })
	kit.Dial(t, at).ExpectClosed()
	p.mu.Lock()
	delete(p.now, others)
	p.mu.Unlock()
	last := kit.Dial(t, at)
	last.Answer(kit.Have(1, "id"))
	_ = last.Close()
	_ = l.Close()
	accepting.Wait()
	p.mu.Lock()
	clear(p.now)
	p.mu.Unlock()
	p.end()
	if err := record.stop(patience); err != nil {
		t.Error(err)
	}
	if want := "client limit reached (4096): connection closed"; !strings.Contains(stderr.String(), want) {
		t.Errorf("got %q, want %q", stderr.String(), want)
	}
}
