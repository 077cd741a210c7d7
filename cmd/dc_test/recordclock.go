package main

import (
	"io"
	"net"
	"time"
)

// passOn takes one client, passes bytes between it and the server until either ends, and returns how long their handshake
// of TLS 1.2 took; 0 when there was none.
func passOn(listener net.Listener, server net.Conn) time.Duration {
	client, err := listener.Accept()
	if err != nil {
		return 0
	}
	var asked, answered recordClock
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.MultiWriter(&answered, client), server)
		_ = client.Close()
		close(done)
	}()
	_, _ = io.Copy(io.MultiWriter(&asked, server), client)
	_, _ = server.Close(), client.Close()
	<-done
	last := asked.last
	if answered.last.After(last) {
		last = answered.last
	}
	return last.Sub(asked.first)
}

// recordClock takes the times of the first and the last record of a handshake, in one direction. Whichever side finishes last,
// the handshake is over when that record has passed.
type recordClock struct {
	first, last time.Time
	header      []byte
	rest        int // of the record, in bytes
}

// The records of TLS.
const (
	recordHeader    = 5 // bytes
	recordHandshake = 22
)

// Write implements io.Writer. It never fails.
func (r *recordClock) Write(b []byte) (int, error) {
	all := len(b)
	for len(b) > 0 {
		n := min(r.rest, len(b))
		r.rest, b = r.rest-n, b[n:]
		if r.rest > 0 {
			break
		}
		n = min(recordHeader-len(r.header), len(b))
		r.header, b = append(r.header, b[:n]...), b[n:]
		if len(r.header) < recordHeader {
			break
		}
		if r.header[0] == recordHandshake {
			r.note(time.Now())
		}
		r.rest = int(r.header[3])<<8 | int(r.header[4])
		r.header = r.header[:0]
	}
	return all, nil
}

func (r *recordClock) note(now time.Time) {
	if r.first.IsZero() {
		r.first = now
	}
	r.last = now
}
