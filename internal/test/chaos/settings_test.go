package chaos

import (
	"os"
	"strconv"
	"testing"
	"time"
)

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
// `make test`, otherwise the one for `go test -short`.
func durationOf(t testing.TB, name string, test, short time.Duration) time.Duration {
	t.Helper()
	if testing.Short() {
		test = short
	}
	return fromEnv(t, name, time.ParseDuration, test)
}
