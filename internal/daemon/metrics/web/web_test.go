package web

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"math"
	"net"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"distcache/engine/histogram"
	"distcache/internal/daemon/metrics"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a Server over made-up figures.
type rig struct {
	t        *testing.T
	at       string
	ready    atomic.Bool
	whole    atomic.Bool
	loops    atomic.Int64 // that answer, of 2
	gathered atomic.Int64
}

func newRig(t *testing.T, pprof bool) *rig {
	r := &rig{t: t}
	r.ready.Store(true)
	r.loops.Store(2)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.at = l.Addr().String()
	s := New(l, Config{Program: "dc_test", Version: "v1", Pprof: pprof, Monitor: metrics.NewMonitor(metrics.Plan{}, r.gather),
		Events: func() []metrics.Event { return []metrics.Event{{Level: "WARN", Text: "<script>"}} }})
	ended := make(chan struct{})
	go func() { s.Serve(); close(ended) }()
	t.Cleanup(func() { s.Close(); <-ended })
	return r
}

type figures struct {
	loops float64
	took  histogram.Histogram
}

var table = []metrics.Figure[figures]{
	{Description: metrics.Description{Name: metrics.Loops, Kind: metrics.Gauge, Help: "Loops"},
		Read: func(_ *figures, put func(float64, ...string)) { put(2) }},
	{Description: metrics.Description{Name: metrics.LoopAnswers, Kind: metrics.Gauge, Help: "Loops that answer"},
		Read: func(f *figures, put func(float64, ...string)) { put(f.loops) }},
	{Description: metrics.Description{Name: metrics.Requests, Kind: metrics.Counter, Labels: []string{"op"}, Help: "Requests"},
		Read: func(_ *figures, put func(float64, ...string)) { put(7, "GET") }},
	{Description: metrics.Description{Name: "took_seconds", Kind: metrics.Durations, Help: "Times"},
		Times: func(f *figures) *histogram.Histogram { return &f.took }},
	{Description: metrics.Description{Name: "batch_requests", Kind: metrics.Sizes, Help: "Sizes"},
		Sizes: func(*figures) *histogram.Sizes {
			z := &histogram.Sizes{}
			z.Observe(3)
			z.Observe(100_000)
			return z
		}},
}

func (r *rig) gather(time.Duration) *metrics.Set {
	r.gathered.Add(1)
	f := &figures{loops: float64(r.loops.Load())}
	f.took.ObserveMany(100*time.Microsecond, 3)
	s := metrics.NewSet()
	metrics.Collect(s, table, f)
	s.AddStatus(metrics.Status{Ready: r.ready.Load(), Text: "connection to dc_server", Detail: "more of it", Whole: r.whole.Load()})
	return s
}

// get asks for a path on a connection of its own.
func (r *rig) get(name string) (*http.Response, string) {
	r.t.Helper()
	return r.ask(http.MethodGet, name)
}

func (r *rig) ask(method, name string) (*http.Response, string) {
	r.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	request, err := http.NewRequestWithContext(context.Background(), method, "http://"+r.at+name, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer, string(body)
}

func TestPrometheusReadsIt(t *testing.T) {
	r := newRig(t, false)
	answer, body := r.get("/metrics")
	if got := answer.Header.Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("type: got %q", got)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{metrics.Requests: 7} {
		if f := families[name]; f == nil || f.Metric[0].Counter.GetValue() != want || f.Metric[0].Label[0].GetValue() != "GET" {
			t.Errorf("%s: got %v, want %v", name, f, want)
		}
	}
	took := families["took_seconds"].Metric[0].Histogram
	if took.GetSampleCount() != 3 || took.GetSampleSum() < 0.00029 {
		t.Errorf("durations: got %v, want 3 of 100 us", took)
	}
	for _, b := range took.Bucket {
		if want := uint64(3); b.GetUpperBound() > 0.0001 && b.GetCumulativeCount() != want || b.GetUpperBound() < 0.0001 && b.GetCumulativeCount() != 0 {
			t.Errorf("bucket: got %v", b)
		}
	}
	batch := families["batch_requests"].Metric[0].Histogram
	if batch.GetSampleCount() != 2 || batch.GetSampleSum() != 100_003 {
		t.Errorf("sizes: got %v, want 3 and 100,000", batch)
	}
	for _, b := range batch.Bucket {
		if want := map[bool]uint64{false: 0, true: 1}[b.GetUpperBound() >= 4]; b.GetCumulativeCount() != want && !math.IsInf(b.GetUpperBound(), 1) {
			t.Errorf("bucket up to %v: got %d, want %d", b.GetUpperBound(), b.GetCumulativeCount(), want)
		}
	}
	for _, name := range []string{"go_goroutines", "process_start_time_seconds"} {
		if families[name] == nil {
			t.Errorf("%s is not there", name)
		}
	}
}

func TestHealthAndReadiness(t *testing.T) {
	rows := []struct {
		name          string
		loops         int64
		ready         bool
		health, reads int
	}{
		{"all is well", 2, true, 200, 200},
		{"no connection", 2, false, 200, 503},
		{"a loop is stuck", 1, true, 503, 200},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t, false)
			r.loops.Store(row.loops)
			r.ready.Store(row.ready)
			if answer, body := r.get("/healthz"); answer.StatusCode != row.health {
				t.Errorf("healthz: got %d %q, want %d", answer.StatusCode, body, row.health)
			}
			answer, body := r.get("/readyz")
			if answer.StatusCode != row.reads {
				t.Errorf("readyz: got %d %q, want %d", answer.StatusCode, body, row.reads)
			}
			if row.reads == 503 && !strings.Contains(body, "connection to dc_server") {
				t.Errorf("readyz: got %q, want what is wrong", body)
			}
		})
	}
}

// TestReadinessTellsTheWhole: of a daemon with several parts it says more than that it is ready.
func TestReadinessTellsTheWhole(t *testing.T) {
	for _, row := range []struct {
		ready, whole bool
		want         string
	}{
		{true, false, "ok\n"}, {true, true, "ok\nconnection to dc_server. more of it\n"},
		{false, false, "connection to dc_server\n"}, {false, true, "connection to dc_server. more of it\n"},
	} {
		r := newRig(t, false)
		r.loops.Store(1)
		r.ready.Store(row.ready)
		r.whole.Store(row.whole)
		if _, body := r.get("/readyz"); body != row.want {
			t.Errorf("ready %v, whole %v: got %q, want %q", row.ready, row.whole, body, row.want)
		}
	}
}

// TestRenderedOncePerSecond: a flood of scrapes costs the loop one copy, and the process one page.
func TestRenderedOncePerSecond(t *testing.T) {
	r := newRig(t, false)
	var first string
	began := time.Now()
	for i := range 40 {
		_, body := r.get("/metrics")
		if i == 0 {
			first = body
		}
		if body != first && time.Since(began) < freshFor {
			t.Fatal("a second page was made within a second")
		}
	}
	if most := int64(time.Since(began)/freshFor) + 1; r.gathered.Load() > most {
		t.Errorf("got %d copies in %v, want one a second", r.gathered.Load(), time.Since(began))
	}
}

// TestFloodByCount: 8 connections that ask for everything at once make each answer once a second at
// most, and the loops copy their counters no more often than that.
func TestFloodByCount(t *testing.T) {
	r := newRig(t, false)
	began := time.Now()
	made := map[string]map[string]bool{"/metrics": {}, "/status.json": {}, "/figures.json": {}} // distinct answers
	var mu sync.Mutex
	var all sync.WaitGroup
	for range maxConns {
		all.Go(func() {
			for range 3 {
				for path, bodies := range made {
					_, body := r.get(path)
					mu.Lock()
					bodies[body] = true
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	seconds := int64(time.Since(began)/freshFor) + 1
	for path, bodies := range made {
		if n := int64(len(bodies)); n > seconds {
			t.Errorf("%s: got %d answers made in %d seconds, want one a second", path, n, seconds)
		}
	}
	if got := r.gathered.Load(); got > seconds {
		t.Errorf("got %d copies of the counters in %d seconds, want one a second", got, seconds)
	}
}

// TestConnectionsAreBounded: whoever keeps connections open without a request keeps nobody out, and
// no more than maxConns are open.
func TestConnectionsAreBounded(t *testing.T) {
	r := newRig(t, false)
	var kept []net.Conn
	for range 3 * maxConns {
		c, err := net.Dial("tcp", r.at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 2048)); err != nil {
			t.Fatalf("connection %d got no answer: %v after %d bytes", len(kept)+1, err, n)
		}
		kept = append(kept, c)
	}
	open := 0
	for _, c := range kept {
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			open++
		}
	}
	if open > maxConns {
		t.Errorf("got %d open connections, want at most %d", open, maxConns)
	}
}

// TestFloodIsPaced: however fast clients ask, few are answered.
func TestFloodIsPaced(t *testing.T) {
	r := newRig(t, false)
	began := time.Now()
	var all sync.WaitGroup
	var answers atomic.Int64
	for range maxConns {
		all.Go(func() {
			client := http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for time.Since(began) < 800*time.Millisecond {
				answer, err := client.Get("http://" + r.at + "/metrics")
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
				answers.Add(1)
			}
		})
	}
	all.Wait()
	most := burst + int64(time.Since(began).Seconds()*answersPerSecond) + 1
	if got := answers.Load(); got > most || got < maxConns {
		t.Errorf("got %d answers in %v, want %d at most", got, time.Since(began), most)
	}
}

func TestPace(t *testing.T) {
	var p pace
	now := time.Now()
	for i := range burst {
		if d := p.wait(now); d > 0 {
			t.Fatalf("number %d waits %v, want none of the first %d to wait", i+1, d, burst)
		}
	}
	for i := range 3 {
		if d, want := p.wait(now), time.Duration(i+1)*time.Second/answersPerSecond; d != want {
			t.Errorf("number %d after them waits %v, want %v", i+1, d, want)
		}
	}
	if d := p.wait(now.Add(time.Hour)); d > 0 {
		t.Errorf("after an hour: got %v, want no wait", d)
	}
}

func TestOnlyReading(t *testing.T) {
	r := newRig(t, false)
	for _, row := range []struct {
		method, path string
		want         int
	}{
		{"POST", "/metrics", 405}, {"PUT", "/", 405}, {"DELETE", "/status.json", 405},
		{"GET", "/nosuch", 404}, {"GET", "/page/index.html", 404}, {"GET", "/../../etc/passwd", 404},
		{"GET", "/debug/pprof/", 404}, {"GET", "/debug/pprof/profile?seconds=1", 404}, {"HEAD", "/metrics", 200},
	} {
		if answer, _ := r.ask(row.method, row.path); answer.StatusCode != row.want {
			t.Errorf("%s %s: got %d, want %d", row.method, row.path, answer.StatusCode, row.want)
		}
	}
}

func TestPprof(t *testing.T) {
	r := newRig(t, true)
	if answer, body := r.get("/debug/pprof/goroutine?debug=1"); answer.StatusCode != 200 || !strings.Contains(body, "goroutine profile") {
		t.Errorf("got %d %.60q, want a profile", answer.StatusCode, body)
	}
}

func TestDocuments(t *testing.T) {
	r := newRig(t, false)
	var page metrics.Page
	_, body := r.get("/status.json")
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatal(err)
	}
	if page.Program != "dc_test" || !page.Ready || len(page.Status) != 1 || page.Steps != metrics.HistorySteps || page.Events[0].Text != "<script>" {
		t.Errorf("got %+v", page)
	}
	if strings.Contains(body, "<script>") || strings.Contains(body, "null") {
		t.Errorf("got %s, want no markup, and lists that are empty", body)
	}
	var all metrics.Figures
	_, body = r.get("/figures.json")
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Figures) != len(table)+1 || all.Figures[3].Values[0].Spread.P50 < 0.0001 {
		t.Errorf("got %+v, want each figure, with its durations", all.Figures)
	}
}

var (
	loads  = regexp.MustCompile(`(?:src|href)="([^"#]*)"`)
	inline = regexp.MustCompile(`(?i)<style|style=|\son\w+=|<script(?:>| [^>]*[^r]>)|javascript:|https?://`)
)

// TestPageIsSelfContained: it loads its own files alone, has nothing inline, and the policy says so.
func TestPageIsSelfContained(t *testing.T) {
	r := newRig(t, false)
	answer, html := r.get("/")
	policy := answer.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("policy: got %q", policy)
	}
	if found := inline.FindString(html); found != "" {
		t.Errorf("the page has %q, which its policy forbids", found)
	}
	for _, found := range loads.FindAllStringSubmatch(html, -1) {
		if answer, _ := r.get("/" + found[1]); answer.StatusCode != 200 {
			t.Errorf("the page names %s: got %d", found[1], answer.StatusCode)
		}
	}
	for _, name := range []string{"/page.js", "/page.css"} {
		if _, body := r.get(name); regexp.MustCompile(`innerHTML|eval\(|@import|url\(|https?://[^w]`).MatchString(body) {
			t.Errorf("%s loads from elsewhere, or makes markup of text", name)
		}
	}
	var served []string
	for name := range files {
		served = append(served, path.Base(strings.Replace(name, "{$}", "index.html", 1)))
	}
	embedded, err := fs.ReadDir(page, "page")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range embedded {
		if !slices.Contains(served, file.Name()) {
			t.Errorf("%s is embedded and not served", file.Name())
		}
	}
}
