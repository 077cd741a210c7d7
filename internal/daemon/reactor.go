package daemon

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"distcache/engine"
	"distcache/engine/buffer"
	"distcache/internal/daemon/service"
)

// reactor is one event loop, its clients and the App that serves them. Reactors share the
// listening socket and the bound of clients, and nothing else.
type reactor struct {
	app       App
	loop      *engine.Loop
	clients   *engine.Clients
	acceptors []*acceptor    // one for each listening socket
	draining  bool           // its orderly end has begun
	alarm     *service.Alarm // of all reactors; nil: none
	flushLog  func()         // waits until what was logged is written, for a while
	beat      time.Duration  // between two beats of the watchdog
	alive     func()         // called when the loop has answered a beat
}

// newReactor makes a reactor without a listening socket. poolBytes is its part of
// Config.PoolBytes, total the number of clients of all reactors.
func newReactor(app App, poolBytes int, total *atomic.Int64) (*reactor, error) {
	loop, err := engine.NewLoop()
	if err != nil {
		return nil, fmt.Errorf("cannot make the event loop: %w", err)
	}
	// Two pools: clients that do not read must not use up what others need to ask.
	answers, requests := buffer.NewPool(poolBytes), buffer.NewPool(poolBytes)
	r := &reactor{app: app, loop: loop, clients: engine.NewClients(loop, answers)}
	r.clients.CountIn(total)
	handlers, err := app.Open(loop, r.clients, requests)
	if err != nil {
		return nil, err
	}
	for n, handler := range handlers {
		handlers[n] = withFaults(handler)
	}
	r.clients.Serve(handlers...)
	return r, nil
}

// run runs all reactors until each has been stopped. The first runs on the caller's
// goroutine. When one fails, the others are stopped.
func run(reactors []*reactor) error {
	ended := make(chan error, len(reactors))
	for _, r := range reactors[1:] {
		go func() { ended <- r.run(reactors) }()
	}
	err := reactors[0].run(reactors)
	for range reactors[1:] {
		err = errors.Join(err, <-ended)
	}
	return err
}

func (r *reactor) run(all []*reactor) error {
	_ = r.loop.Post(func() { r.app.Start(r.loop.Now()) }) // a loop that has not begun takes what is posted
	err := r.runLoop()
	if err != nil {
		for _, other := range all {
			other.loop.Stop()
		}
	}
	return err
}
