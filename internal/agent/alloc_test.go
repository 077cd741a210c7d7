//go:build !race

package agent

import "testing"

// The race detector allocates by itself, hence the build constraint.

func TestNothingAllocates(t *testing.T) {
	tests := []struct {
		name  string
		loops []loop
	}{
		{"Forward", forwardLoops(t)},
		{"ShortLived", shortLivedLoops(t)},
		{"Local", localLoops(t)},
		{"Datagrams", datagramLoops(t)},
		{"Memcached", memcachedLoops(t)},
		{"Spread", spreadLoops(t)},
		{"Cache", cacheLoops(t)},
	}
	for _, tt := range tests {
		for _, l := range tt.loops {
			t.Run(tt.name+"/"+l.name, func(t *testing.T) {
				l.run() // tables and buffers grow to their size
				if got := testing.AllocsPerRun(100, l.run); got != 0 {
					t.Errorf("got %v allocations per run, want 0", got)
				}
			})
		}
	}
}
