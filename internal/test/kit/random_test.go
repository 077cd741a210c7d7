package kit

import "testing"

func TestRandomTakesItsSeedBack(t *testing.T) {
	t.Setenv("SEED", "42")
	a, b := Random(t), Random(t)
	for range 10 {
		if x, y := a.Uint64(), b.Uint64(); x != y {
			t.Fatalf("got %d and %d of the same seed, want the same", x, y)
		}
	}
	t.Setenv("SEED", "43")
	if x, y := a.Uint64(), Random(t).Uint64(); x == y {
		t.Errorf("got %d of another seed too, want another", x)
	}
	t.Setenv("SEED", "many")
	mustSay(t, whatFails(t, func(t testing.TB) { Random(t) }), `SEED="many"`)
}
