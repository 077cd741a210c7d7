package web

import (
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"distcache/internal/daemon/metrics"
)

const (
	// maxConns is how many connections may be open. One more waits until another ends; the one
	// that is idle for longest is closed for it.
	maxConns = 8
	// headerTime is how long a request may take to come, idleTime how long a connection may be
	// without one, and answerTime how long an answer may take to be read.
	headerTime = 5 * time.Second
	idleTime   = 30 * time.Second
	answerTime = 10 * time.Second
	// maxHeader bounds a request, in bytes.
	maxHeader = 8 << 10
)

// Config is what a Server shows.
type Config struct {
	Program string
	Version string
	Monitor *metrics.Monitor
	Events  func() []metrics.Event // the last lines of the log, the newest first
	Pprof   bool                   // serve /debug/pprof
}

// Server is the HTTP server of one daemon.
type Server struct {
	http     *http.Server
	listener *listener
	answers  pace
}

// New makes a Server for the clients of l.
func New(l net.Listener, c Config) *Server {
	s := &Server{listener: newListener(l)}
	s.http = &http.Server{
		Handler:           s.answers.handler(headers(newPages(c).handler())),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       headerTime,
		IdleTimeout:       idleTime,
		WriteTimeout:      answerTime,
		MaxHeaderBytes:    maxHeader,
		ConnState:         s.listener.connState,
		ErrorLog:          log.New(discard{}, "", 0), // what clients do wrong is no news
	}
	return s
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// Serve serves until Close.
func (s *Server) Serve() { _ = s.http.Serve(s.listener) } // it always ends with an error

// Close ends the server and its connections.
func (s *Server) Close() { _ = s.http.Close() }

// policy lets the page load its own files and nothing else. None of them is inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// headers sets what all answers have.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

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
