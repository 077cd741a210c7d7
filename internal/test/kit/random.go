package kit

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// Random gives a source of random numbers of that Seed.
func Random(t testing.TB) *rand.Rand {
	t.Helper()
	return rand.New(rand.NewPCG(Seed(t), 0))
}

// Seed gives a new seed each time, logs it, and takes it back from the environment:
// SEED=n go test -run TheTest.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text, ok := os.LookupEnv("SEED"); ok {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("SEED=%q: %v; want a decimal number", text, err)
		}
		seed = n
	}
	t.Logf("to repeat: SEED=%d", seed)
	return seed
}
