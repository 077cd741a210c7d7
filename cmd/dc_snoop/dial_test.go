package main

import (
	"bytes"
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"distcache/codec/address"
)

// TestSecondNameServerIsAsked: the first one is silent. The resolver takes 5 seconds to ask the
// next, and no limit cuts that off.
func TestSecondNameServerIsAsked(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	began := time.Now()
	var asked atomic.Int32
	resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		asked.Add(1)
		go serveName(theirs, time.Since(began) < 4*time.Second)
		return ours, nil
	}}
	to := address.Address{Kind: address.TCP, Host: "cache.test", Port: uint16(l.Addr().(*net.TCPAddr).Port)}
	server, err := dial(t.Context(), to, nil, resolver)
	if err != nil {
		t.Fatalf("got %v after %v and %d questions, want a connection", err, time.Since(began), asked.Load())
	}
	_ = server.Close()
}

// serveName answers that a name has the address 127.0.0.1 and no others, or nothing. It speaks
// DNS as over TCP, which is how the resolver takes a net.Pipe.
func serveName(c net.Conn, silent bool) {
	defer c.Close()
	b := make([]byte, 4096)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if n < 2+12 || silent {
			continue
		}
		const header = 12
		question := b[2+header : n]
		end := bytes.IndexByte(question, 0) + 1
		isA := question[end+1] == 1
		answer := append([]byte{b[2], b[3], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question[:end+4]...)
		if isA {
			answer[7] = 1
			answer = append(answer, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1)
		}
		if _, err := c.Write(append([]byte{0, byte(len(answer))}, answer...)); err != nil {
			return
		}
	}
}
