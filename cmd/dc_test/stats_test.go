package main

import (
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"distcache/internal/daemon/metrics"
	"distcache/internal/test/kit"
)

// tell serves a document at the path where -stats asks, and gives the address.
func tell(t *testing.T, network, at string, answer http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /figures.json", answer)
	server := &http.Server{Handler: mux}
	ended := make(chan struct{})
	go func() { _ = server.Serve(l); close(ended) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return kit.Endpoint{Network: network, Address: l.Addr().String()}.String()
}

// TestStats prints what a daemon tells as a table.
func TestStats(t *testing.T) {
	document := metrics.Figures{Program: "dc_client", Version: "v7",
		Status:   []metrics.PageStatus{{Text: "no connection to dc_server", For: 90, Detail: "connection refused"}, {Ready: true, Text: "up", For: 1}},
		Mistakes: []metrics.FoundMistake{{Title: "nothing is shared", Seen: "0 of 100", Remedy: "switch tickets off"}},
		Figures: []metrics.FigureValues{
			{Description: metrics.Description{Name: "distcache_gets_total", Help: "GETs", Kind: metrics.Counter, Labels: []string{"result"}},
				Values: []metrics.Value{{Labels: []string{"hit"}, Value: 12}, {Labels: []string{"miss"}}}},
			{Description: metrics.Description{Name: "distcache_clients", Help: "Clients", Kind: metrics.Gauge}, Values: []metrics.Value{{}}},
			{Description: metrics.Description{Name: "distcache_took_seconds", Help: "Times", Kind: metrics.Durations},
				Values: []metrics.Value{{Count: 3, Value: 1, Spread: &metrics.Quantile{P50: 0.0001, P90: 0.002, P99: 0.003, Max: 1.5}}}},
		}}
	answer := func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(document) }
	for _, at := range []string{tell(t, "tcp", "127.0.0.1:0", answer), tell(t, "unix", filepath.Join(kit.SocketDir(t), "m"), answer)} {
		code, stdout, stderr := tool("-stats", at)
		if code != 0 || stderr != "" {
			t.Fatalf("%s: got exit code %d and %q, want 0 and silence", at, code, stderr)
		}
		for _, want := range []string{"dc_client v7", "NOT READY: no connection to dc_server for 1m30s\n  connection refused\n", "well: up for 1s",
			"MISTAKE: nothing is shared (0 of 100)\n  switch tickets off", "gets hit  12 ", "clients   0 ",
			"3: half within 100µs, 90% 2ms, 99% 3ms, all 1.5s"} {
			if !strings.Contains(stdout, want) {
				t.Errorf("got no %q, want it:\n%s", want, stdout)
			}
		}
		if strings.Contains(stdout, "miss") {
			t.Errorf("got a value of 0 that has labels:\n%s", stdout)
		}
	}
}

// TestStatsFails: what is no HTTP server of a daemon is a line on stderr, and exit code 1.
func TestStatsFails(t *testing.T) {
	server, at := serve(t) // which speaks distcache
	_ = server
	for name, row := range map[string]struct{ at, want string }{
		"nobody listens": {"UNIX:/nowhere/m", "no such file"},
		"a distcache":    {at, "is that the address of -metrics?"},
		"another server": {tell(t, "tcp", "127.0.0.1:0", http.NotFound), `got "404 Not Found": is that the address of -metrics?`},
		"no JSON":        {tell(t, "tcp", "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }), "not a distcache daemon"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := tool("-stats", row.at, "-wait", "5000")
			if code != 1 || stdout != "" || !strings.Contains(stderr, row.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("got exit code %d, %q and %q, want 1, nothing and one line with %q", code, stdout, stderr, row.want)
			}
		})
	}
}
