package daemon

import (
	"errors"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/internal/daemon/logging"
	"distcache/internal/front"
)

// TestClientLog: a line says what is known, and nothing of what is not. It changes slog's
// default logger, so it is not parallel.
func TestClientLog(t *testing.T) {
	tests := []struct {
		name string
		why  front.Reason
		err  error
		want string // the line from its message on; "": none
	}{
		{"garbage", front.Corrupt, errors.New("corrupt proto_level"), "client closed reason=corrupt detail=\"corrupt proto_level\"\n"},
		{"no error", front.PartialTimeout, nil, "client closed reason=partial-timeout\n"},
		{"idle", front.IdleTimeout, nil, ""},
		{"left", front.SocketError, errors.New("broken pipe"), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := logged(t, func() { new(ClientLog).ClientDropped(7, test.why, test.err, 0) })
			if _, line, _ := strings.Cut(got, " WARN "); line != test.want {
				t.Errorf("got %q, want a line that ends with %q", got, test.want)
			}
		})
	}
}

// TestR08EachClosedClientIsAccountedFor has clients of two kinds closed each millisecond for
// ten seconds: a line a second for each kind, and with those that the lines say were
// suppressed it is all of them.
func TestR08EachClosedClientIsAccountedFor(t *testing.T) {
	kinds := []front.Reason{front.Corrupt, front.PartialTimeout}
	const seconds, each = 10, 1000
	var clients ClientLog
	got := logged(t, func() {
		for n := range seconds*each + 1 {
			for _, why := range kinds {
				clients.ClientDropped(7, why, nil, time.Duration(n)*time.Millisecond)
			}
		}
	})
	lines, told := map[string]int{}, map[string]int{}
	for _, found := range regexp.MustCompile(`reason=(\S+)(?: suppressed=(\d+))?\n`).FindAllStringSubmatch(got, -1) {
		lines[found[1]]++
		suppressed, _ := strconv.Atoi(found[2]) // none: 0
		told[found[1]] += 1 + suppressed
	}
	for _, why := range kinds {
		if lines[why.String()] != seconds+1 || told[why.String()] != seconds*each+1 {
			t.Errorf("%v: got %d lines that tell of %d, want %d and %d", why, lines[why.String()], told[why.String()], seconds+1, seconds*each+1)
		}
	}
}

// logged is what is logged meanwhile.
func logged(t *testing.T, do func()) string {
	t.Helper()
	var stderr strings.Builder
	log, warning := logging.Open(logging.Config{Stderr: &stderr})
	if warning != "" {
		t.Fatal(warning)
	}
	was := slog.Default()
	slog.SetDefault(log.Logger)
	do()
	slog.SetDefault(was)
	log.Close(logFlush)
	return stderr.String()
}

// TestRlimitWarning: a limit of the process that is below the memory bound is named at the start.
func TestRlimitWarning(t *testing.T) {
	c := Config{MaxClients: 1, Memory: Memory{OffHeap: 1 << 30}}
	for _, row := range []struct {
		name     string
		data, as uint64
		want     string
	}{
		{"none", unix.RLIM_INFINITY, unix.RLIM_INFINITY, ""},
		{"data", 100 << 20, unix.RLIM_INFINITY, "RLIMIT_DATA is 100 MiB"},
		{"address space", unix.RLIM_INFINITY, 200 << 20, "RLIMIT_AS is 200 MiB"},
		{"enough", uint64(c.MemoryBound()), uint64(c.MemoryBound()), ""},
	} {
		got := c.rlimitWarning(func(resource int, limit *unix.Rlimit) error {
			limit.Cur = map[int]uint64{unix.RLIMIT_DATA: row.data, unix.RLIMIT_AS: row.as}[resource]
			return nil
		})
		if (got == "") != (row.want == "") || !strings.Contains(got, row.want) {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}
