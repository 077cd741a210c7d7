package web

import (
	"net/http"
	"sync"
	"time"
)

const (
	// answersPerSecond is how many requests are answered, of all clients together, once burst have
	// been. More wait. An answer that is rendered already still costs the process some 100 us.
	answersPerSecond = 20
	burst            = 32
)

// pace spreads what happens often. The zero value is ready.
type pace struct {
	mu   sync.Mutex
	next time.Time // when the next one is due, if none came for long
}

// wait gives how long one that comes at now must wait.
func (p *pace) wait(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	const step = time.Second / answersPerSecond
	if rested := now.Add(-burst * step); p.next.Before(rested) {
		p.next = rested
	}
	p.next = p.next.Add(step)
	return p.next.Sub(now)
}

// handler lets each request wait for its turn, or until its client leaves.
func (p *pace) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d := p.wait(time.Now()); d > 0 {
			turn := time.NewTimer(d)
			defer turn.Stop()
			select {
			case <-turn.C:
			case <-r.Context().Done():
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
