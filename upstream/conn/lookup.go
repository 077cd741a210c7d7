package conn

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"distcache/codec/address"
)

// lookupLimit bounds a look-up. It leaves time for several name servers: Go's resolver gives
// each of them 5 seconds, and asks the next one only after that.
const lookupLimit = 30 * time.Second

// lookup is one look-up of the server's name. It may take longer than an attempt: it goes on
// when that ends, and the next attempt finds what it has found.
type lookup struct {
	target address.Address
	cancel context.CancelFunc
	done   chan struct{} // closed when found and err are there
	found  []endpoint
	err    error
	used   atomic.Bool // an attempt has its result
}

func startLookup(target address.Address) *lookup {
	ctx, cancel := context.WithTimeout(context.Background(), lookupLimit)
	l := &lookup{target: target, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer cancel()
		l.found, l.err = resolve(ctx, target)
		close(l.done)
	}()
	return l
}

// wait gives the result, or an error when ctx ends before.
func (l *lookup) wait(ctx context.Context) ([]endpoint, error) {
	select {
	case <-l.done:
		l.used.Store(true)
		return l.found, l.err
	case <-ctx.Done():
		return nil, fmt.Errorf("cannot resolve %s: no name server has answered yet", l.target)
	}
}

// resolve finds the endpoints of target.
func resolve(ctx context.Context, target address.Address) ([]endpoint, error) {
	if target.Kind == address.Unix {
		return []endpoint{{name: target.String(), network: "unix", address: target.Path}}, nil
	}
	// Each look-up has a resolver of its own: a resolver joins look-ups of the same name, also
	// with an earlier one that still waits for a silent name server.
	resolver := net.Resolver{PreferGo: net.DefaultResolver.PreferGo, Dial: net.DefaultResolver.Dial}
	found, err := target.Resolve(ctx, &resolver)
	if err != nil {
		return nil, fmt.Errorf("cannot resolve %s: %w", target, err)
	}
	var all []endpoint
	for _, f := range found {
		all = append(all, endpoint{name: f.String(), network: "tcp", address: f.String()})
	}
	return all, nil
}
