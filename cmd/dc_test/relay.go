package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"distcache/codec/address"
	"distcache/engine/secure"
)

// relayTimeout is how long the relay may take to connect and shake hands.
const relayTimeout = 5 * time.Second

// relay passes connections to a TLS address. The load speaks no TLS: it connects to a unix socket of
// the relay, in a directory that only this user can enter.
type relay struct {
	to       address.Address
	config   *tls.Config
	dir      string
	listener net.Listener
	running  sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]struct{}
	err  error // the first one of TLS
}

// startRelay begins to relay to a TLS address, and makes its socket the address of the load. It
// connects once, so that what is wrong is known at once. For other addresses it returns nil.
func startRelay(c *config, stderr io.Writer) (*relay, error) {
	if c.to.Kind != address.TLS {
		return nil, nil
	}
	warnings, err := c.credentials.Load()
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		_, _ = fmt.Fprintf(stderr, "%s: %s\n", program, w)
	}
	r := &relay{to: c.to, config: c.credentials.Config(), open: map[net.Conn]struct{}{}}
	first, err := r.dial()
	if err != nil {
		return nil, err
	}
	_ = first.Close()
	if r.dir, err = os.MkdirTemp("", program); err != nil {
		return nil, err
	}
	c.load.Address = address.Address{Kind: address.Unix, Path: filepath.Join(r.dir, "relay")}
	if r.listener, err = net.Listen("unix", c.load.Address.Path); err != nil {
		_ = os.Remove(r.dir)
		return nil, err
	}
	r.running.Go(r.accept)
	return r, nil
}

// stop ends the relay. It returns err together with what was wrong with TLS.
func (r *relay) stop(err error) error {
	if r == nil {
		return err
	}
	_ = r.listener.Close() // removes the socket
	r.mu.Lock()
	for c := range r.open {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.running.Wait()
	_ = os.Remove(r.dir)
	if err == nil { // what ended after the last answer does not count
		return nil
	}
	return errors.Join(err, r.err)
}

func (r *relay) accept() {
	for {
		near, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptor is left
			time.Sleep(time.Millisecond)
			continue
		}
		r.running.Go(func() { r.pass(near.(*net.UnixConn)) })
	}
}

// pass relays one connection.
func (r *relay) pass(near *net.UnixConn) {
	defer r.keep(near)()
	far, err := r.dial()
	if err != nil {
		r.fail(err)
		return
	}
	defer r.keep(far)()
	r.running.Go(func() {
		_, _ = io.Copy(far, near)
		_ = far.CloseWrite()
	})
	if _, err := io.Copy(near, far); err != nil {
		r.fail(fmt.Errorf("%v: %w", r.to, secure.Explain(secure.Dialled, err)))
	}
}

// keep notes an open connection. The function that it returns closes it.
func (r *relay) keep(c net.Conn) func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[c] = struct{}{}
	return func() {
		_ = c.Close()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.open, c)
	}
}

// fail keeps the first error that is not the relay's own end.
func (r *relay) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && !errors.Is(err, net.ErrClosed) {
		r.err = err
	}
}

// dial connects, and performs the handshake.
func (r *relay) dial() (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), relayTimeout)
	defer cancel()
	found, err := r.to.Resolve(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot resolve %v: %w", r.to, err)
	}
	conn, err := address.DialAny(ctx, found)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %v: %w", r.to, err)
	}
	over, err := secure.Blocking(ctx, conn, r.config)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("cannot connect to %v: %w", r.to, err)
	}
	return over, nil
}
