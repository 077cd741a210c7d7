package daemon

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"distcache/internal/dialog"
	"distcache/internal/logging"
)

// TestClientLog: a line says what is known, and nothing of what is not. It changes slog's
// default logger, so it is not parallel.
func TestClientLog(t *testing.T) {
	tests := []struct {
		name string
		why  dialog.Reason
		err  error
		want string // the line from its message on; "": none
	}{
		{"garbage", dialog.Corrupt, errors.New("corrupt proto_level"), "client closed reason=corrupt detail=\"corrupt proto_level\"\n"},
		{"no error", dialog.PartialTimeout, nil, "client closed reason=partial-timeout\n"},
		{"idle", dialog.IdleTimeout, nil, ""},
		{"left", dialog.SocketError, errors.New("broken pipe"), ""},
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
