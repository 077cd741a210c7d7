package web

import (
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// listener lets maxConns connections be open at a time. When one more comes, it closes the one that
// is idle for longest: a browser keeps several.
type listener struct {
	net.Listener
	slots chan struct{}
	pace  pace

	mu   sync.Mutex
	idle []net.Conn // the one that is idle for longest first
}

func newListener(l net.Listener) *listener {
	return &listener{Listener: l, slots: make(chan struct{}, maxConns)}
}

// Accept waits for a connection, and then for a place for it.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	time.Sleep(l.pace.wait(time.Now())) // a flood of connections costs, too
	select {
	case l.slots <- struct{}{}:
	default:
		l.closeIdle()
		l.slots <- struct{}{}
	}
	return c, nil
}

// closeIdle makes a place, if it can.
func (l *listener) closeIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.idle) > 0 {
		_ = l.idle[0].Close()
		l.idle = l.idle[1:]
	}
}

// connState is http.Server's: it keeps the list, and frees the place of a connection that ended.
func (l *listener) connState(c net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.idle, c); i >= 0 {
		l.idle = slices.Delete(l.idle, i, i+1)
	}
	switch state {
	case http.StateIdle:
		l.idle = append(l.idle, c)
	case http.StateClosed, http.StateHijacked:
		<-l.slots
	}
}
