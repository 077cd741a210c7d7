package web

import (
	"bytes"
	"time"

	"distcache/engine/histogram"
	"distcache/internal/daemon/metrics"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// The buckets that Prometheus gets: each power of two nanoseconds from 65 us to 17 s. They are
// exact, since buckets of a histogram.Histogram end there.
const (
	firstBound = 16
	lastBound  = 34
)

// newRegistry has the collectors of the Go runtime and of the process beside ours.
func newRegistry(m *metrics.Monitor) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{m}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// prometheus renders /metrics.
func (p *pages) prometheus() ([]byte, error) {
	families, err := p.registry.Gather()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	encoder := expfmt.NewEncoder(&b, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := encoder.Encode(f); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// collector is the figures as Prometheus collects them.
type collector struct{ monitor *metrics.Monitor }

// Describe describes nothing: the table is checked by tests, not here.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends each sample of each figure.
func (c collector) Collect(out chan<- prometheus.Metric) {
	for _, f := range c.monitor.Set().Families {
		desc := prometheus.NewDesc(f.Name, f.Help+".", f.Labels, nil)
		for _, s := range f.Samples {
			switch f.Kind {
			case metrics.Durations:
				out <- prometheus.MustNewConstHistogram(desc, s.Times.Count(), s.Times.Sum.Seconds(), buckets(s.Times), s.Labels...)
			case metrics.Sizes:
				out <- prometheus.MustNewConstHistogram(desc, s.Sizes.Count(), float64(s.Sizes.Sum), sizeBuckets(s.Sizes), s.Labels...)
			case metrics.Counter:
				out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, s.Value, s.Labels...)
			default:
				out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, s.Value, s.Labels...)
			}
		}
	}
}

func buckets(h *histogram.Histogram) map[float64]uint64 {
	all := make(map[float64]uint64)
	for shift := firstBound; shift <= lastBound; shift++ {
		bound := time.Duration(1) << shift
		all[bound.Seconds()] = h.CountUpTo(bound)
	}
	return all
}

// sizeBuckets leaves out the last one, which has larger sizes too.
func sizeBuckets(z *histogram.Sizes) map[float64]uint64 {
	all, n := make(map[float64]uint64), uint64(0)
	for i, b := range z.Buckets[:histogram.SizesBuckets-1] {
		n += b
		all[float64(uint64(1)<<i)] = n
	}
	return all
}
