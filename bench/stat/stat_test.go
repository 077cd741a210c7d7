package stat

import (
	"math"
	"testing"
)

func TestOf(t *testing.T) {
	rows := []struct {
		name   string
		values []float64
		want   Spread
	}{
		{"none", nil, Spread{}},
		{"one", []float64{7}, Spread{1, 7, 7, 7, 7, 7}},
		{"two", []float64{4, 2}, Spread{2, 3, 2, 4, 2.5, 3.5}},
		{"odd", []float64{9, 1, 5, 3, 7}, Spread{5, 5, 1, 9, 3, 7}},
		{"even", []float64{4, 1, 3, 2}, Spread{4, 2.5, 1, 4, 1.75, 3.25}},
		{"one far off", []float64{1, 1, 1, 1, 100}, Spread{5, 1, 1, 100, 1, 1}},
	}
	for _, row := range rows {
		if got := Of(row.values); got != row.want {
			t.Errorf("%s: got %+v, want %+v", row.name, got, row.want)
		}
	}
}

func TestOfLeavesItsArgument(t *testing.T) {
	values := []float64{3, 1, 2}
	Of(values)
	if values[0] != 3 || values[1] != 1 {
		t.Errorf("got %v, want the order as it was", values)
	}
}

// The machine is twice as slow in round 2: the ratio is the same in both rounds, that of the medians would not be.
func TestRatioPairsRounds(t *testing.T) {
	a, b := Rounds{1: 20, 2: 40, 3: 60}, Rounds{1: 10, 2: 20, 4: 5}
	got := Ratio(a, b)
	if got.N != 2 || got.Median != 2 || got.Low != 2 || got.High != 2 {
		t.Errorf("got %+v, want 2 in both rounds that are in both", got)
	}
}

func TestRatioWithoutDivisor(t *testing.T) {
	for name, b := range map[string]Rounds{"missing": {}, "zero": {1: 0}} {
		if got := Ratio(Rounds{1: 5}, b); got.N != 0 || math.IsInf(got.Median, 0) {
			t.Errorf("%s: got %+v, want no round", name, got)
		}
	}
}

func TestRoundsSpread(t *testing.T) {
	if got := (Rounds{1: 3, 2: 1, 5: 2}).Spread(); got.Median != 2 || got.N != 3 {
		t.Errorf("got %+v, want 3 rounds with median 2", got)
	}
}
