package plan

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"distcache/codec"
)

// Report is a Result as plain data, for JSON. Times are in microseconds where the name ends in _us, else in seconds.
type Report struct {
	Config  ReportConfig `json:"config"`
	Started time.Time    `json:"started"`
	Elapsed float64      `json:"elapsed_s"`

	All         ReportRow         `json:"all"`
	Operations  []ReportRow       `json:"operations"` // those that occur in the mix
	Failures    map[string]uint64 `json:"failures"`   // by Failure
	Failed      ReportLatency     `json:"failed_latency"`
	Connections uint64            `json:"connections"`
	Unstarted   uint64            `json:"unstarted"`
	StartDelay  ReportLatency     `json:"start_delay"`
	CPU         ReportCPU         `json:"cpu"`         // of the loop's thread
	ProcessCPU  ReportCPU         `json:"process_cpu"` // of the whole process
	Violation   *ReportViolation  `json:"violation,omitempty"`
}

// ReportConfig is a Config.
type ReportConfig struct {
	Address     string  `json:"address"`
	Protocol    string  `json:"protocol"`
	Calls       string  `json:"calls"`
	Clients     int     `json:"clients"`
	KeepAlive   bool    `json:"keep_alive"`
	Pipeline    int     `json:"pipeline"`
	Operations  uint64  `json:"operations"`
	Duration    float64 `json:"duration_s"`
	Warmup      float64 `json:"warmup_s"`
	Preload     bool    `json:"preload"`
	Rate        float64 `json:"rate"`
	Mix         string  `json:"mix"`
	Sessions    int     `json:"sessions"`
	IDMin       int     `json:"id_min"`
	IDMax       int     `json:"id_max"`
	DataMin     int     `json:"data_min"`
	DataMax     int     `json:"data_max"`
	Timeout     float64 `json:"timeout_s"`
	TimeVar     float64 `json:"timevar_s"`
	Seed        uint64  `json:"seed"`
	Salt        uint64  `json:"salt"`
	Verify      string  `json:"verify"`
	Lossy       bool    `json:"lossy"`
	Slack       float64 `json:"slack_s"`
	AnswerLimit float64 `json:"answer_limit_s"`
}

// ReportRow is an OpResult.
type ReportRow struct {
	Op      string        `json:"op"`
	Count   uint64        `json:"count"`
	Rate    float64       `json:"rate"` // per second
	Hits    uint64        `json:"hits"`
	Misses  uint64        `json:"misses"`
	Lost    uint64        `json:"lost"`
	Failed  uint64        `json:"failed"`
	Latency ReportLatency `json:"latency"`
}

// ReportLatency is a histogram. All its figures are 0 when Count is.
type ReportLatency struct {
	Count uint64  `json:"count"`
	Mean  float64 `json:"mean_us"`
	P50   float64 `json:"p50_us"`
	P90   float64 `json:"p90_us"`
	P99   float64 `json:"p99_us"`
	P999  float64 `json:"p99_9_us"`
	Max   float64 `json:"max_us"`
	// Histogram is all of it, in nanoseconds, as HdrHistogram's V2 compressed encoding in base64: any tool that reads
	// such logs reads it, and hdrhistogram.Decode.
	Histogram string `json:"hdr"`
}

// ReportCPU is a CPU.
type ReportCPU struct {
	User         float64 `json:"user_s"`
	System       float64 `json:"system_s"`
	PerOperation float64 `json:"per_operation_us"`
}

// ReportViolation is a Violation, with bytes in hex.
type ReportViolation struct {
	Fault   string  `json:"fault"`
	Reason  string  `json:"reason"`
	Client  uint32  `json:"client"`
	Index   uint64  `json:"index"`
	Op      string  `json:"op"`
	UID     uint32  `json:"request_uid"`
	ID      string  `json:"session_id"`
	Sent    float64 `json:"sent_s"`
	Read    float64 `json:"read_s"`
	Request string  `json:"request"`
	Answer  string  `json:"answer"`
}

// Report turns the result into plain data. It returns an error when a histogram cannot be encoded.
func (r *Result) Report() (*Report, error) {
	b := reportBuilder{elapsed: r.Elapsed, operations: r.Count()}
	report := &Report{
		Config: reportConfig(r), Started: r.Started, Elapsed: r.Elapsed.Seconds(),
		All:      b.row("all", &OpResult{Failed: r.Failed(), Lost: r.Lost(), Hits: r.hits(), Misses: r.misses(), Latency: r.Latency()}),
		Failures: map[string]uint64{}, Failed: b.latency(r.FailureLatency),
		Connections: r.Connections, Unstarted: r.Unstarted, StartDelay: b.latency(r.StartDelay),
		CPU: b.cpu(r.CPU), ProcessCPU: b.cpu(r.ProcessCPU),
		Violation: reportViolation(r.Violation),
	}
	for op := range r.Operations {
		if o := &r.Operations[op]; o.Count() > 0 {
			report.Operations = append(report.Operations, b.row(codec.Op(op).String(), o))
		}
	}
	for f, n := range r.Failures {
		report.Failures[Failure(f).String()] = n
	}
	return report, b.err
}

// reportBuilder keeps the first error.
type reportBuilder struct {
	elapsed    time.Duration
	operations uint64
	err        error
}

func (b *reportBuilder) row(name string, o *OpResult) ReportRow {
	return ReportRow{
		Op: name, Count: o.Count(), Rate: o.Rate(b.elapsed),
		Hits: o.Hits, Misses: o.Misses, Lost: o.Lost, Failed: o.Failed,
		Latency: b.latency(o.Latency),
	}
}

func (b *reportBuilder) latency(h *hdrhistogram.Histogram) ReportLatency {
	encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("encoding a histogram: %w", err)
	}
	at := func(percentile float64) float64 { return float64(h.ValueAtPercentile(percentile)) / 1e3 }
	return ReportLatency{
		Count: uint64(h.TotalCount()), Mean: h.Mean() / 1e3,
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / 1e3,
		Histogram: string(encoded),
	}
}

func (b *reportBuilder) cpu(c CPU) ReportCPU {
	return ReportCPU{
		User: c.User.Seconds(), System: c.System.Seconds(),
		PerOperation: float64(c.Total().Nanoseconds()) / 1e3 / float64(max(1, b.operations)),
	}
}

func reportConfig(r *Result) ReportConfig {
	c := &r.Config
	return ReportConfig{
		Address: c.Address.String(), Protocol: r.Protocol, Calls: r.Calls,
		Clients: c.Clients, KeepAlive: c.KeepAlive, Pipeline: c.Pipeline,
		Operations: c.Operations, Duration: c.Duration.Seconds(), Warmup: c.Warmup.Seconds(), Preload: c.Preload, Rate: c.Rate,
		Mix: c.Mix.String(), Sessions: c.Sessions,
		IDMin: c.IDMin, IDMax: c.IDMax, DataMin: c.DataMin, DataMax: c.DataMax,
		Timeout: c.Timeout.Seconds(), TimeVar: c.TimeVar.Seconds(),
		Seed: c.Seed, Salt: c.Salt, Verify: c.Verify.String(), Lossy: c.Lossy,
		Slack: c.Slack.Seconds(), AnswerLimit: c.AnswerLimit.Seconds(),
	}
}

func reportViolation(v *Violation) *ReportViolation {
	if v == nil {
		return nil
	}
	return &ReportViolation{
		Fault: string(v.Fault), Reason: v.Reason, Client: v.Client, Index: v.Index, Op: v.Op.String(), UID: v.UID,
		ID: hex.EncodeToString(v.ID), Sent: v.Sent.Seconds(), Read: v.Read.Seconds(),
		Request: hex.EncodeToString(v.Request), Answer: hex.EncodeToString(v.Answer),
	}
}
