package chaos

import (
	"os"
	"strconv"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// patience is how long a test waits for what must come, on a busy machine.
const patience = time.Minute

func TestMain(m *testing.M) {
	kit.Suite{Commands: []string{"dc_client", "dc_server"}, Parallel: 8}.Run(m)
}

// fromEnv gives a setting that `make` passes on in the environment, or otherwise when
// it is not there or empty.
func fromEnv[T any](t testing.TB, name string, parse func(string) (T, error), otherwise T) T {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	v, err := parse(text)
	if err != nil {
		t.Fatalf("%s=%q: %v", name, text, err)
	}
	return v
}

// number reads a count, as in OPS=10000000.
func number(text string) (int64, error) { return strconv.ParseInt(text, 10, 64) }

// durationOf is CHAOS_DURATION or SOAK_DURATION (“10m”), otherwise the form for
// `make faults` or for `make test`.
func durationOf(t testing.TB, name string, full, test time.Duration) time.Duration {
	t.Helper()
	if kit.Full() {
		test = full
	}
	return fromEnv(t, name, time.ParseDuration, test)
}
