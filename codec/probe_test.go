package codec

import (
	"strings"
	"testing"
)

func TestIsProbe(t *testing.T) {
	rest := strings.Repeat("r", ProbeIDLen-len(ProbeMark))
	tests := []struct {
		name string
		op   Op
		id   string
		want bool
	}{
		{"a probe", OpHave, ProbeMark + rest, true},
		{"another operation", OpGet, ProbeMark + rest, false},
		{"another ID", OpHave, strings.Repeat("r", ProbeIDLen), false},
		{"shorter", OpHave, ProbeMark + rest[1:], false},
		{"longer", OpHave, ProbeMark + rest + "r", false},
		{"empty", OpHave, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := IsProbe(test.op, []byte(test.id)); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
