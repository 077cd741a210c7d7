package web

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

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
