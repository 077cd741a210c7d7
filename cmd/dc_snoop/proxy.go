package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"distcache/engine/socket"
)

const (
	// acceptPause is the wait after a failed accept, as when no descriptors are left.
	acceptPause = 50 * time.Millisecond
	// maxConnections is how many clients are served at a time. Further ones are closed, and
	// dc_snoop says so. Each takes up to 300 KB while messages are under way.
	maxConnections = 4096
)

// proxy holds all connections.
type proxy struct {
	config  *config
	record  *recorder
	stats   *stats
	open    *allowance      // for the open requests of all connections
	barrier *socket.Barrier // nil: no descriptor was to be had for it

	mu  sync.Mutex
	now map[*connection]struct{} // those that are open
	all sync.WaitGroup           // their goroutines

	buffers sync.Pool // of *[readBuffer]byte

	life   context.Context // of all connections
	cutOff context.CancelFunc
}

// newProxy makes a proxy without connections. barrier may be nil.
func newProxy(c *config, record *recorder, stats *stats, barrier *socket.Barrier) *proxy {
	p := &proxy{config: c, record: record, stats: stats, open: newAllowance(), now: make(map[*connection]struct{})}
	p.barrier = barrier
	p.buffers.New = func() any { return new([readBuffer]byte) }
	p.life, p.cutOff = context.WithCancel(context.Background())
	return p
}

// accept takes connections until the listener is closed. None of them connects to the server
// once ctx is done.
func (p *proxy) accept(ctx context.Context, l net.Listener) {
	for number := uint64(1); ; {
		client, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			p.record.complain(fmt.Sprintf("%s: accept: %v", p.config.listen, cause(err)))
			time.Sleep(acceptPause)
			continue
		}
		if p.full() {
			p.record.complain(fmt.Sprintf("client limit reached (%d): connection closed", maxConnections))
			_ = client.Close()
			continue
		}
		p.start(ctx, number, client.(half))
		number++
	}
}

func (p *proxy) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.now) >= maxConnections
}

func (p *proxy) start(ctx context.Context, number uint64, client half) {
	c := &connection{
		client: client, buffers: &p.buffers, barrier: p.barrier,
		watcher: newWatcher(number, p.config, p.record, p.stats, p.open),
	}
	p.stats.opened()
	p.mu.Lock()
	p.now[c] = struct{}{}
	p.mu.Unlock()
	p.all.Go(func() {
		c.run(ctx, p.life, p.config.server, p.config.secure())
		c.watcher.closed(time.Now())
		p.mu.Lock()
		delete(p.now, c)
		p.mu.Unlock()
	})
}

// end lets the server answer open requests, and then closes all connections. The listener must
// be closed and accept must have returned.
func (p *proxy) end() {
	p.mu.Lock()
	for c := range p.now {
		_ = c.client.CloseRead() // as if the client had sent the end of its stream
	}
	p.mu.Unlock()
	late := time.AfterFunc(p.config.limits.drain, p.cutOff)
	p.all.Wait()
	late.Stop()
	p.cutOff()
	if p.barrier != nil {
		_ = p.barrier.Close()
	}
}
