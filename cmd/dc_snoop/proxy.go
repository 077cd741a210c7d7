package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// acceptPause is how long no connection is accepted after that failed, as when there are
	// no descriptors left.
	acceptPause = 50 * time.Millisecond
	// drainTime is how long open requests may take at the end.
	drainTime = time.Second
)

// proxy is all connections.
type proxy struct {
	config *config
	record *recorder
	stats  *stats

	mu  sync.Mutex
	now map[*connection]struct{} // those that are open
	all sync.WaitGroup           // their goroutines

	buffers sync.Pool // of *[readBuffer]byte

	life   context.Context // of all connections
	cutOff context.CancelFunc
}

func newProxy(c *config, record *recorder, stats *stats) *proxy {
	p := &proxy{config: c, record: record, stats: stats, now: make(map[*connection]struct{})}
	p.buffers.New = func() any { return new([readBuffer]byte) }
	p.life, p.cutOff = context.WithCancel(context.Background())
	return p
}

// accept takes connections until the listener is closed. Those that come are cut off from
// connecting when ctx is done.
func (p *proxy) accept(ctx context.Context, l net.Listener) {
	for number := uint64(1); ; {
		socket, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			p.record.complain(fmt.Sprintf("%s: accept: %v", p.config.listen, cause(err)))
			time.Sleep(acceptPause)
			continue
		}
		p.start(ctx, number, socket.(half))
		number++
	}
}

func (p *proxy) start(ctx context.Context, number uint64, client half) {
	c := &connection{client: client, buffers: &p.buffers, watcher: newWatcher(number, p.config, p.record, p.stats)}
	p.stats.opened()
	p.mu.Lock()
	p.now[c] = struct{}{}
	p.mu.Unlock()
	p.all.Go(func() {
		c.run(ctx, p.life, p.config.server)
		c.watcher.closed(time.Now())
		p.mu.Lock()
		delete(p.now, c)
		p.mu.Unlock()
	})
}

// end lets the server answer what it was asked, and closes what is open after that. The
// listener must be closed and accept have returned.
func (p *proxy) end() {
	p.mu.Lock()
	for c := range p.now {
		_ = c.client.CloseRead() // as if the client had sent the end of its stream
	}
	p.mu.Unlock()
	late := time.AfterFunc(drainTime, p.cutOff)
	p.all.Wait()
	late.Stop()
	p.cutOff()
}
