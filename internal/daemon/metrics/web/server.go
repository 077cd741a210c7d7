package web

import (
	"log"
	"net"
	"net/http"
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
