package main

import (
	"fmt"

	"distcache/bench/record"
	"distcache/bench/stat"
)

// generator says what the load generator itself took.
func generator(f *figures) string {
	var share, cost []float64
	for _, s := range saturating(f) {
		share = append(share, loadShare(s))
		cost = append(cost, s.LoadCPU*1e6/float64(s.Operations))
	}
	a, b := stat.Of(share), stat.Of(cost)
	if a.N == 0 {
		return absent
	}
	return fmt.Sprintf("one thread, in the median %.0f %% of a core and %s us per operation (proxies); at most %.0f %%",
		a.Median, number(b.Median), a.High)
}

// rest says how busy the machine was with other things.
func rest(f *figures) string {
	var others, steal []float64
	for _, s := range saturating(f) {
		all := s.Elapsed * float64(max(1, f.run.Machine.Cores))
		others = append(others, 100*s.OthersCPU/all)
		steal = append(steal, 100*s.Steal/all)
	}
	a, b := stat.Of(others), stat.Of(steal)
	if a.N == 0 {
		return absent
	}
	return fmt.Sprintf("other processes took %.0f %% of the machine in the median, at most %.0f %%; "+
		"stolen by the hypervisor: %.0f %%, at most %.0f %%",
		a.Median, a.High, b.Median, b.High)
}

// saturating are the usable samples of the proxies.
func saturating(f *figures) []*record.Sample {
	var all []*record.Sample
	for i := range f.run.Samples {
		if s := &f.run.Samples[i]; s.Experiment == record.Proxy && s.Usable() && s.Elapsed > 0 {
			all = append(all, s)
		}
	}
	return all
}
