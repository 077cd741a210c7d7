package upstream

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// seeded gives a source of random numbers, logs its seed, and takes it back from the
// environment: SEED=n go test -run TheTest.
func seeded(t *testing.T) *rand.Rand {
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
	return rand.New(rand.NewPCG(seed, 0))
}
