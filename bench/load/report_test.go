package load

import (
	"distcache/bench/load/plan"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"

	"distcache/codec"
)

func TestReportHoldsEverything(t *testing.T) {
	server := serve(t)
	c := configFor(t, server.Endpoint())
	c.Seed, c.Salt, c.Clients = math.MaxUint64, 5, 3
	r := runs(t, c)
	report, err := r.Report()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var got plan.Report
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Config.Seed != c.Seed || got.Config.Salt != 5 || got.Config.Clients != 3 || got.Config.Mix != "1:1:1:1" ||
		got.Config.Address != c.Address.String() || got.Config.Timeout != 60 || got.Config.Protocol != "distcache" {
		t.Errorf("got config %+v, want what was given", got.Config)
	}
	if got.All.Count != c.Operations || len(got.Operations) != codec.NumOps || got.Elapsed <= 0 {
		t.Errorf("got %d operations of %d kinds in %v s, want %d of 4", got.All.Count, len(got.Operations), got.Elapsed, c.Operations)
	}
	if _, ok := got.Failures["disconnected"]; !ok || got.CPU.PerOperation <= 0 {
		t.Errorf("got failures %v and %v us per operation, want each failure named and some time", got.Failures, got.CPU.PerOperation)
	}
	checkHistogram(t, &got.All.Latency, r.Latency())
}

// checkHistogram checks that the histogram in a report is that of the result.
func checkHistogram(t *testing.T, got *plan.ReportLatency, want *hdrhistogram.Histogram) {
	t.Helper()
	h, err := hdrhistogram.Decode([]byte(got.Histogram))
	if err != nil {
		t.Fatal(err)
	}
	if !h.Equals(want) || got.Count != uint64(want.TotalCount()) {
		t.Errorf("got a histogram of %d, want the %d of the result", h.TotalCount(), want.TotalCount())
	}
	if low, high := got.P50, got.Max; low <= 0 || low > high || math.Abs(high*1e3-float64(want.Max())) > 1 {
		t.Errorf("got p50 %v us and maximum %v us, want up to %v", low, high, want.Max())
	}
}

func TestReportOfAViolation(t *testing.T) {
	server := serve(t)
	findAll(server)
	r, err := Run(testContext(t), faultConfig(t, server, false))
	if err == nil {
		t.Fatal("got no violation")
	}
	report, err := r.Report()
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(report)
	for _, want := range []string{`"fault":"` + string(plan.FaultFound), `"op":"HAVE"`, `"request":"0011`, `"answer":"0011`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("got %.300s…, want %s in it", text, want)
		}
	}
}
