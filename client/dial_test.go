package client

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// slowNames makes every name resolve to the addresses 127.0.0.n for these n, so long after it was
// asked for, until the test ends. Not for parallel tests.
func slowNames(t *testing.T, after time.Duration, hosts ...byte) {
	t.Helper()
	before := net.DefaultResolver
	var mu sync.Mutex
	var serving sync.WaitGroup
	over, ended := make(chan struct{}), false
	t.Cleanup(func() {
		net.DefaultResolver = before
		close(over)
		mu.Lock()
		ended = true
		mu.Unlock()
		serving.Wait()
	})
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if ended {
			return nil, net.ErrClosed
		}
		ours, theirs := net.Pipe()
		serving.Go(func() { serveNames(theirs, after, hosts, over) })
		return ours, nil
	}}
}

// serveNames answers questions as over TCP, which is how the resolver takes a net.Pipe.
func serveNames(c net.Conn, after time.Duration, hosts []byte, over chan struct{}) {
	defer c.Close()
	b := make([]byte, 4096)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		const header, typeA = 12, 1
		if n < 2+header {
			continue
		}
		select {
		case <-time.After(after):
		case <-over:
			return
		}
		question := b[2+header : n]
		end := bytes.IndexByte(question, 0) + 1
		answer := append([]byte{b[2], b[3], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question[:end+4]...)
		if question[end+1] == typeA {
			answer[7] = byte(len(hosts))
			for _, n := range hosts {
				answer = append(answer, 0xc0, header, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, n)
			}
		}
		if _, err := c.Write(append([]byte{0, byte(len(answer))}, answer...)); err != nil {
			return
		}
	}
}

// TestF07LookUpOutlivesItsOperation: name servers that take longer than an operation may, as a
// second one after a silent first one does, do not keep all operations from the service.
func TestF07LookUpOutlivesItsOperation(t *testing.T) {
	up := kit.NewUpstream(t, kit.Endpoint{Network: "tcp", Address: "127.0.0.1:0"}) // where the name leads
	_, port, err := net.SplitHostPort(up.Endpoint().Address)
	if err != nil {
		t.Fatal(err)
	}
	const limit = time.Second
	slowNames(t, 2*limit, 1)
	c := openAt(t, "IP:cache.test:"+port, Options{Timeout: limit})
	began := time.Now()
	wantErr(t, "the first operation", ask(t, c, codec.OpHave), context.DeadlineExceeded)
	wantBetween(t, time.Since(began), limit, patience)
	kit.Wait(t, patience, "operation that uses what the look-up has found", func() bool {
		found, err := c.Have(t.Context(), []byte("nobody's"))
		return err == nil && !found
	})
	for range 3 { // each connects anew, and does not wait for the name servers again
		wantErr(t, "an operation after that", ask(t, c, codec.OpHave), ErrNotFound)
	}
}

// TestF07EveryAddressIsTried: also when the first one refuses.
func TestF07EveryAddressIsTried(t *testing.T) {
	up := kit.NewUpstream(t, kit.Endpoint{Network: "tcp", Address: "127.0.0.1:0"}) // where the name leads
	_, port, err := net.SplitHostPort(up.Endpoint().Address)
	if err != nil {
		t.Fatal(err)
	}
	slowNames(t, 0, 77, 1) // nothing listens at the first
	c := openAt(t, "IP:cache.test:"+port, Options{Timeout: patience})
	for range 3 { // each connects anew
		if _, err := c.Have(t.Context(), []byte("nobody's")); err != nil {
			t.Errorf("got %v, want an answer", err)
		}
	}
}
