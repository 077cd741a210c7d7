// Gnetrun is a proxy on gnet's EventHandler, as its documentation shows one: gnet.Run
// accepts, one event loop holds all clients and the connection to the server. It exists
// to be compared with dc_client by bench, so that the choice to build on gnet's poller
// rather than on gnet.Run stays checked.
//
//	gnetrun socket server-socket
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"time"

	"distcache/codec"

	"github.com/panjf2000/gnet/v2"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: gnetrun socket server-socket")
		os.Exit(2)
	}
	p := &proxy{path: os.Args[1], server: os.Args[2], waiting: map[uint32]asked{}}
	err := gnet.Run(p, "unix://"+p.path, gnet.WithNumEventLoop(1), gnet.WithLockOSThread(true))
	if err != nil {
		fmt.Fprintln(os.Stderr, "gnetrun:", err)
		os.Exit(1)
	}
}

// proxy is the handler of all connections. They live on one loop, so nothing is locked.
type proxy struct {
	gnet.BuiltinEventEngine
	path, server string

	upstream gnet.Conn
	nextUID  uint32
	waiting  map[uint32]asked
}

// asked is a request in flight.
type asked struct {
	client gnet.Conn
	uid    uint32
}

// OnBoot connects to the server, on the event loop that the clients will be on.
func (p *proxy) OnBoot(eng gnet.Engine) gnet.Action {
	go func() {
		server, err := net.Dial("unix", p.server)
		if err == nil {
			err = register(eng, server)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "gnetrun:", err)
			os.Exit(1)
		}
	}()
	return gnet.None
}

// registerAttempts, a millisecond apart, is how long the engine may take to be one.
const registerAttempts = 1000

// register tries again while the engine is not ready, which OnBoot comes before.
func register(eng gnet.Engine, server net.Conn) (err error) {
	ctx := gnet.NewContext(gnet.NewNetConnContext(context.Background(), server), isUpstream{})
	for range registerAttempts {
		if _, err = eng.Register(ctx); err == nil {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return err
}

// isUpstream is the context by which the connection to the server is known.
type isUpstream struct{}

// OnOpen tells the connection to the server from those of clients.
func (p *proxy) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	if _, ok := c.Context().(isUpstream); ok {
		p.upstream = c
		fmt.Fprintln(os.Stderr, "gnetrun ready", p.path)
	}
	return nil, gnet.None
}

// OnClose forgets a client's requests.
func (p *proxy) OnClose(c gnet.Conn, _ error) gnet.Action {
	if c == p.upstream {
		return gnet.Shutdown
	}
	if uid, ok := c.Context().(uint32); ok {
		delete(p.waiting, uid)
	}
	return gnet.None
}

// OnTraffic takes whole frames out of the connection's buffer.
func (p *proxy) OnTraffic(c gnet.Conn) gnet.Action {
	dir := codec.Request
	if c == p.upstream {
		dir = codec.Response
	}
	for {
		b, _ := c.Peek(-1)
		h, err := codec.ParseHeader(b, dir)
		if err == codec.ErrShort || err == nil && len(b) < codec.HeaderSize+h.DataLen {
			return gnet.None
		}
		if err != nil {
			return gnet.Close
		}
		p.pass(c, h, b[:codec.HeaderSize+h.DataLen])
		_, _ = c.Discard(codec.HeaderSize + h.DataLen)
	}
}

func (p *proxy) pass(c gnet.Conn, h codec.Header, frame []byte) {
	if c != p.upstream {
		if p.upstream == nil {
			return // not ready yet: the client waits in vain
		}
		p.nextUID++
		p.waiting[p.nextUID] = asked{client: c, uid: h.UID}
		c.SetContext(p.nextUID)
		codec.SetUID(frame, p.nextUID)
		_, _ = p.upstream.Write(frame)
		return
	}
	a, ok := p.waiting[binary.BigEndian.Uint32(frame[5:])]
	if !ok {
		return
	}
	delete(p.waiting, h.UID)
	codec.SetUID(frame, a.uid)
	_, _ = a.client.Write(frame)
}
