package main

import (
	"context"
	"sync"
	"time"

	"distcache/codec"
	"distcache/codec/address"
)

// readBuffer is what is passed on at a time, in bytes; a packet of a capture holds it.
const readBuffer = 16 << 10

// lingerTime is how long a server may go on answering a client that has left.
const lingerTime = 5 * time.Second

// connection is a client and the connection to the server that was made for it.
type connection struct {
	client  half
	watcher *watcher
	buffers *sync.Pool // of *[readBuffer]byte
}

// run passes on what the two send, until both have ended or life is done. The server can be
// connected to until ctx is done.
func (c *connection) run(ctx, life context.Context, to address.Address) {
	defer c.client.Close()
	server, err := dial(ctx, to)
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

// pass carries one direction. A message is looked at before it is passed on, so that an
// answer is never seen before its request.
//
// The end of from, whether orderly or not, becomes an orderly end for to: all that was read
// is delivered, and the other direction goes on.
func (c *connection) pass(dir codec.Direction, from, to half) {
	buf := c.buffers.Get().(*[readBuffer]byte)
	defer c.buffers.Put(buf)
	for {
		n, err := from.Read(buf[:])
		if n > 0 {
			c.watcher.saw(time.Now(), dir, buf[:n])
			if _, err := to.Write(buf[:n]); err != nil {
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

// unheard ends a direction whose receiver takes no more. A client is told at once, by an
// error when it writes. A server is not told: it would give up what that client asked before
// it left. Its answers are dropped until it ends, or lingerTime is over.
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
