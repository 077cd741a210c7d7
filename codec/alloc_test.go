//go:build !race

package codec

import "testing"

// The race detector allocates by itself, hence the build constraint.

func TestNothingAllocates(t *testing.T) {
	tests := []struct {
		name  string
		loops []loop
	}{
		{"ParseHeader", parseHeaderLoops(t)},
		{"Assembler", assembleLoops(t)},
		{"SetUID", setUIDLoops(t)},
		{"Append", appendLoops(t)},
		{"Payload", payloadLoops(t)},
		{"Add", addLoops(t)},
	}
	for _, tt := range tests {
		for _, l := range tt.loops {
			t.Run(tt.name+"/"+l.name, func(t *testing.T) {
				if got := testing.AllocsPerRun(100, l.run); got != 0 {
					t.Errorf("got %v allocations per run, want 0", got)
				}
			})
		}
	}
}
