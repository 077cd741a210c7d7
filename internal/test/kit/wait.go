package kit

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A condition is looked at again after pollFirst, and then less and less often.
const (
	pollFirst = time.Millisecond
	pollMost  = 20 * time.Millisecond
)

// Wait waits until done reports true and fails the test when it has not within that
// time; what says what was waited for. It must run in the test's own goroutine.
func Wait(t testing.TB, within time.Duration, what string, done func() bool) {
	t.Helper()
	if !Within(within, done) {
		t.Fatalf("got no %s within %v, want it", what, within)
	}
}

// Within waits until done reports true, and reports whether that came in time. done is
// called at least once, and once more at the end of the time.
func Within(limit time.Duration, done func() bool) bool {
	deadline := time.Now().Add(limit)
	for pause := pollFirst; ; pause = min(pause*3/2, pollMost) {
		late := !time.Now().Before(deadline)
		if done() {
			return true
		}
		if late {
			return false
		}
		time.Sleep(pause)
	}
}

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

// DocumentHolds fails the test unless the document, a path below the module's root, has
// text, line for line, in a block indented by four spaces. The test must run two directories
// below that root.
func DocumentHolds(t *testing.T, document, text string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", document))
	if err != nil {
		t.Fatal(err)
	}
	if want := indented(text); !strings.Contains(string(content), want) {
		t.Errorf("%s lacks this block, or has an older form of it:\n%s", document, want)
	}
}

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			b.WriteString("    ")
		}
		b.WriteString(line)
	}
	return b.String()
}

// ManualHolds fails the test unless the man page, a path below the module's root, is as update
// returns it. With UPDATE_MAN=1 in the environment (make man) it writes the page instead. The
// test must run two directories below that root.
func ManualHolds(t *testing.T, page string, update func(page string) (string, error)) {
	t.Helper()
	path := filepath.Join("..", "..", page)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := update(string(content))
	switch {
	case err != nil:
		t.Fatalf("%s: %v", page, err)
	case want == string(content):
	case os.Getenv("UPDATE_MAN") == "1":
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s lacks these lines, run make man:\n%s", page, onlyIn(want, string(content)))
	}
}

// onlyIn gives the lines of a text that the other one has not.
func onlyIn(text, other string) string {
	has := map[string]bool{}
	for line := range strings.Lines(other) {
		has[line] = true
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !has[line] {
			b.WriteString(line)
		}
	}
	return b.String()
}
