package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"distcache/codec"
)

// longestTook is the longest time to answer that is told apart, in microseconds.
const longestTook = int64(time.Hour / time.Microsecond)

// stats counts what passes. It is safe for concurrent use.
type stats struct {
	mu    sync.Mutex
	began time.Time
	total totals
	ops   [codec.NumOps]opStats
}

// totals are the figures of all connections together.
type totals struct {
	Connections uint64 `json:"connections"`
	Open        uint64 `json:"open"`
	MostOpen    uint64 `json:"most_open"`
	Refused     uint64 `json:"refused"`     // there was no connection to the server for them
	Undecodable uint64 `json:"undecodable"` // directions of connections that did not speak distcache
	ToServer    uint64 `json:"bytes_to_server"`
	ToClient    uint64 `json:"bytes_to_client"`
}

type opStats struct {
	requests, answers, unasked uint64
	statuses                   map[string]uint64
	took                       *hdrhistogram.Histogram // microseconds
}

func newStats(began time.Time) *stats {
	s := &stats{began: began}
	for op := range s.ops {
		s.ops[op] = opStats{statuses: make(map[string]uint64), took: hdrhistogram.New(1, longestTook, 3)}
	}
	return s
}

func (s *stats) opened() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total.Connections++
	s.total.Open++
	s.total.MostOpen = max(s.total.MostOpen, s.total.Open)
}

func (s *stats) refused() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total.Refused++
}

func (s *stats) closed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total.Open--
}

func (s *stats) undecodable() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total.Undecodable++
}

func (s *stats) bytes(dir codec.Direction, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if dir == codec.Request {
		s.total.ToServer += uint64(n)
	} else {
		s.total.ToClient += uint64(n)
	}
}

func (s *stats) request(op codec.Op) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops[op].requests++
}

func (s *stats) answer(e *event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &s.ops[e.op]
	o.answers++
	o.statuses[e.status]++
	if e.unasked {
		o.unasked++
		return
	}
	_ = o.took.RecordValue(min(e.took.Microseconds(), longestTook)) // in range
}

// figures is a summary: with -json it is an object of kind stats.
type figures struct {
	Kind    string  `json:"kind"`
	Seconds float64 `json:"seconds"`
	totals
	Dropped uint64      `json:"dropped"` // records that the outputs were too slow for
	Ops     []opFigures `json:"ops"`
}

type opFigures struct {
	Op       string            `json:"op"`
	Requests uint64            `json:"requests"`
	Answers  uint64            `json:"answers"`
	Unasked  uint64            `json:"unasked"` // of the answers
	P50      int64             `json:"p50_us"`  // of the time to answer
	P99      int64             `json:"p99_us"`
	Max      int64             `json:"max_us"`
	Statuses map[string]uint64 `json:"statuses"`
}

func (s *stats) figures(now time.Time, dropped uint64) figures {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := figures{Kind: "stats", Seconds: now.Sub(s.began).Seconds(), totals: s.total, Dropped: dropped}
	for op := range codec.Op(codec.NumOps) {
		o := &s.ops[op]
		f.Ops = append(f.Ops, opFigures{
			Op: op.String(), Requests: o.requests, Answers: o.answers, Unasked: o.unasked,
			P50: o.took.ValueAtPercentile(50), P99: o.took.ValueAtPercentile(99), Max: o.took.Max(),
			Statuses: maps.Clone(o.statuses),
		})
	}
	return f
}

// appendText appends the summary as a table.
func (f *figures) appendText(dst []byte) []byte {
	dst = fmt.Appendf(dst, "\n%.3f s, %d connections: %d open, peak %d, %d without a server\n",
		f.Seconds, f.Connections, f.Open, f.MostOpen, f.Refused)
	dst = fmt.Appendf(dst, "%d bytes to the server, %d to the client; %d directions not distcache; %d records dropped\n",
		f.ToServer, f.ToClient, f.Undecodable, f.Dropped)
	dst = fmt.Appendf(dst, "%-6s %10s %10s %8s %9s %9s %9s  %s\n",
		"op", "requests", "answers", "unasked", "p50 us", "p99 us", "max us", "statuses")
	for _, o := range f.Ops {
		line := fmt.Sprintf("%-6s %10d %10d %8d %9d %9d %9d  %s", o.Op, o.Requests, o.Answers, o.Unasked, o.P50, o.P99, o.Max,
			o.statusList())
		dst = append(append(dst, strings.TrimRight(line, " ")...), '\n')
	}
	return dst
}

// statusList gives the statuses, the most frequent first.
func (o *opFigures) statusList() string {
	names := slices.SortedFunc(maps.Keys(o.Statuses), func(a, b string) int {
		return cmp.Or(cmp.Compare(o.Statuses[b], o.Statuses[a]), cmp.Compare(a, b))
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, o.Statuses[name])
	}
	return strings.Join(names, ", ")
}
