package main

import (
	"context"
	"crypto/tls"
	"sync"
	"time"

	"distcache/codec"
	"distcache/codec/address"
	"distcache/engine/socket"
)

// readBuffer is the most that one read passes on, in bytes. It fits a packet of a capture, and
// holds the longest answer: no read then ends within the bytes that carry a barrier.
const readBuffer = 33 << 10

// lingerTime is how long a server may go on answering a client that has left.
const lingerTime = 5 * time.Second

// connection is one client and its connection to the server.
type connection struct {
	client  half
	watcher *watcher
	buffers *sync.Pool // of *[readBuffer]byte
	barrier *socket.Barrier
}

// run passes bytes both ways, until both sides have ended or life is done. It connects to the
// server unless ctx is done.
func (c *connection) run(ctx, life context.Context, to address.Address, config *tls.Config) {
	defer c.client.Close()
	server, err := dial(ctx, to, config, nil)
	if err != nil {
		c.watcher.refused(time.Now(), err)
		return
	}
	defer server.Close()
	defer context.AfterFunc(life, func() {
		_ = c.client.Close()
		_ = server.Close()
	})()
	c.watcher.connected(time.Now())
	answers := make(chan struct{})
	go func() {
		defer close(answers)
		c.pass(codec.Response, server, c.client)
	}()
	c.pass(codec.Request, c.client, server)
	<-answers
}

// pass carries one direction. The watcher sees bytes before they are passed on, so that it
// never sees an answer before its request.
//
// The end of from, whether orderly or not, becomes an orderly end for to: all that was read
// is delivered, and the other direction goes on.
func (c *connection) pass(dir codec.Direction, from, to half) {
	buf := c.buffers.Get().(*[readBuffer]byte)
	defer c.buffers.Put(buf)
	p := newParting(dir, from, to, c.barrier)
	for {
		n, ends, err := p.read(buf[:])
		if n > 0 {
			c.watcher.saw(time.Now(), dir, buf[:n])
			if err := p.write(buf[:n], ends); err != nil {
				c.watcher.undelivered(time.Now(), dir, err)
				c.unheard(dir, from, buf[:])
				return
			}
		}
		if err != nil {
			c.watcher.finished(time.Now(), dir, err)
			_ = to.CloseWrite()
			return
		}
	}
}

// unheard ends a direction whose receiver has gone. A client learns it at once, by an error
// when it writes. A server does not: it would give up the client's last requests. dc_snoop
// drops its answers until it ends, or lingerTime is over.
func (c *connection) unheard(dir codec.Direction, from half, buf []byte) {
	defer from.CloseRead()
	if dir == codec.Request {
		return
	}
	_ = from.SetReadDeadline(time.Now().Add(lingerTime))
	for {
		n, err := from.Read(buf)
		c.watcher.saw(time.Now(), dir, buf[:n])
		if err != nil {
			return
		}
	}
}
