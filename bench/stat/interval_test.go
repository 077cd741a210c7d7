package stat

import (
	"math/rand/v2"
	"testing"
)

// The bounds for 99 % are those of the tables of the sign test.
func TestInterval(t *testing.T) {
	rows := []struct {
		n         int
		low, high float64 // of the values 1, 2, …, n
	}{{8, 1, 8}, {10, 1, 10}, {12, 2, 11}, {20, 4, 17}, {30, 8, 23}, {50, 16, 35}}
	for _, row := range rows {
		low, high, ok := Interval(upTo(row.n), 0.99)
		if !ok || low != row.low || high != row.high {
			t.Errorf("%d values: got %v to %v (%v), want %v to %v", row.n, low, high, ok, row.low, row.high)
		}
	}
	for n := range 8 {
		if low, high, ok := Interval(upTo(n), 0.99); ok {
			t.Errorf("%d values: got %v to %v, want that they are too few", n, low, high)
		}
	}
}

// upTo returns 1 to n, the largest first.
func upTo(n int) []float64 {
	var values []float64
	for i := n; i > 0; i-- {
		values = append(values, float64(i))
	}
	return values
}

// As often as it says, and not much oftener, the true median is within.
func TestIntervalHoldsTheMedian(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const tries = 20_000
	outside := 0
	for range tries {
		var values []float64
		for range 30 {
			values = append(values, r.ExpFloat64()) // lopsided; its median is ln 2
		}
		const median = 0.6931471805599453
		if low, high, _ := Interval(values, 0.99); median < low || median > high {
			outside++
		}
	}
	if share := float64(outside) / tries; share > 0.01 || share < 0.002 {
		t.Errorf("got the median outside in %.4f of the tries, want 0.0052", share)
	}
}
