package web

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/pprof"
	"os"
	"path"
	"strconv"
	"sync"
	"time"

	"distcache/internal/daemon/metrics"
	"github.com/prometheus/client_golang/prometheus"
)

// pages makes the answers.
type pages struct {
	config   Config
	registry *prometheus.Registry
}

func newPages(c Config) *pages { return &pages{config: c, registry: newRegistry(c.Monitor)} }

func (p *pages) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", newCache(textType, p.prometheus))
	mux.Handle("GET /status.json", newCache(jsonType, p.page))
	mux.Handle("GET /figures.json", newCache(jsonType, p.figures))
	mux.HandleFunc("GET /healthz", p.health)
	mux.HandleFunc("GET /readyz", p.ready)
	for name, kind := range files {
		mux.HandleFunc("GET "+name, serveFile(name, kind))
	}
	if p.config.Pprof {
		mux.HandleFunc("GET /debug/pprof/", profile(pprof.Index))
		mux.HandleFunc("GET /debug/pprof/profile", profile(pprof.Profile))
		mux.HandleFunc("GET /debug/pprof/trace", profile(pprof.Trace))
		mux.HandleFunc("GET /debug/pprof/symbol", profile(pprof.Symbol))
	}
	return mux
}

// profile lifts the limit of time: a profile takes as long as the client asks for.
func profile(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		serve(w, r)
	}
}

// page is the status page. It has a script and a style sheet of its own, and nothing else.
//
//go:embed page
var page embed.FS

// files are the files of the page, by path, with their types.
var files = map[string]string{
	"/{$}":      "text/html; charset=utf-8",
	"/page.css": "text/css; charset=utf-8",
	"/page.js":  "text/javascript; charset=utf-8",
	"/icon.svg": "image/svg+xml",
}

func serveFile(name, kind string) http.HandlerFunc {
	file := path.Base(name)
	if name == "/{$}" {
		file = "index.html"
	}
	body, err := fs.ReadFile(page, "page/"+file)
	return func(w http.ResponseWriter, _ *http.Request) {
		if err != nil { // a test reads each of them
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	}
}

// health tells whether the event loops answer: a supervisor may restart the daemon otherwise.
func (p *pages) health(w http.ResponseWriter, _ *http.Request) {
	set := p.config.Monitor.Set()
	if set.Total(metrics.LoopAnswers) < set.Total(metrics.Loops) {
		http.Error(w, "an event loop does not answer", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

// ready tells whether the daemon can do its work, and what is wrong where it cannot.
func (p *pages) ready(w http.ResponseWriter, _ *http.Request) {
	set := p.config.Monitor.Set()
	if !set.Ready() {
		http.Error(w, readiness(set.Status[0]), http.StatusServiceUnavailable)
		return
	}
	text := "ok\n"
	for _, status := range set.Status {
		if status.Whole {
			text += readiness(status) + "\n"
		}
	}
	_, _ = w.Write([]byte(text))
}

// readiness is what /readyz says of a status.
func readiness(s metrics.Status) string {
	if s.Whole {
		return s.String()
	}
	return s.Text
}

// page renders /status.json.
func (p *pages) page() ([]byte, error) {
	set := p.config.Monitor.Set()
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return json.Marshal(metrics.Page{
		Program: p.config.Program, Version: p.config.Version, Host: host, Pid: os.Getpid(),
		Uptime: set.Total(metrics.Uptime), Ready: set.Ready(), Status: set.PageOf(),
		Mistakes: p.mistakes(), Step: metrics.HistoryStep.Seconds(), Steps: metrics.HistorySteps,
		Plots: p.config.Monitor.Plots(), Events: p.config.Events(),
	})
}

// figures renders /figures.json.
func (p *pages) figures() ([]byte, error) {
	set := p.config.Monitor.Set()
	return json.Marshal(metrics.Figures{
		Program: p.config.Program, Version: p.config.Version, Status: set.PageOf(), Mistakes: p.mistakes(), Figures: set.Values(),
	})
}

// mistakes is an empty list, not null, where there are none.
func (p *pages) mistakes() []metrics.FoundMistake {
	return append([]metrics.FoundMistake{}, p.config.Monitor.Mistakes()...)
}

// The types of answers.
const (
	textType = "text/plain; version=0.0.4; charset=utf-8"
	jsonType = "application/json"
)

// freshFor is how long an answer serves all who ask.
const freshFor = time.Second

// cache makes an answer at most once a second, and serves it to all who ask meanwhile.
type cache struct {
	kind string
	make func() ([]byte, error)

	mu   sync.Mutex
	at   time.Time
	body []byte
	err  error
}

func newCache(kind string, render func() ([]byte, error)) *cache {
	return &cache{kind: kind, make: render}
}

// ServeHTTP writes the answer.
func (c *cache) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	body, err := c.get()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", c.kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func (c *cache) get() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() || time.Since(c.at) >= freshFor {
		c.body, c.err = c.make()
		c.at = time.Now()
	}
	return c.body, c.err
}
