package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"distcache/internal/daemon/listen"
	"distcache/internal/test/kit"
)

// TestSocketWatchTellsEachChangeOnce changes slog's default logger, so it is not parallel.
func TestSocketWatchTellsEachChangeOnce(t *testing.T) {
	gone, replaced := fmt.Errorf("x: %w", listen.ErrGone), fmt.Errorf("x: %w", listen.ErrReplaced)
	denied := errors.New("permission denied")
	for _, row := range []struct {
		name string
		seen []error
		want string // W: lost, I: back
	}{
		{"in place", []error{nil, nil, nil}, ""},
		{"gone", []error{nil, gone, gone, gone}, "W"},
		{"gone and back", []error{gone, gone, nil, nil}, "WI"},
		{"gone, then replaced", []error{gone, replaced, replaced, nil, gone}, "WWIW"},
		{"cannot be looked at", []error{denied, denied}, ""},
		{"cannot be looked at while gone", []error{gone, denied, gone, nil}, "WI"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var log bytes.Buffer
			before := slog.Default()
			slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
			defer slog.SetDefault(before)
			w := &socketWatch{}
			for _, err := range row.seen {
				w.tell(err)
			}
			got := ""
			for line := range strings.Lines(log.String()) {
				_, level, _ := strings.Cut(line, "level=")
				got += level[:1]
			}
			if got != row.want {
				t.Errorf("got the levels %q, want %q:\n%s", got, row.want, log.String())
			}
		})
	}
}

// TestO16SocketFileChangesAreTold removes, replaces and moves the socket file of a running
// daemon. It says so once, and once that all is well again; who is connected is served
// throughout, and at the end nobody else's file is removed.
func TestO16SocketFileChangesAreTold(t *testing.T) {
	const lost, back = "new clients cannot connect", "new clients can connect again"
	t.Parallel()
	for _, row := range []struct {
		name       string
		harm, heal func(path string) error
		reason     string
		stays      bool // something stands at the path in the end
	}{
		{"removed", os.Remove, nil, "gone", false},
		{"renamed and back", func(p string) error { return os.Rename(p, p+".away") },
			func(p string) error { return os.Rename(p+".away", p) }, "gone", false},
		{"replaced by a file", func(p string) error {
			return errors.Join(os.Remove(p), os.WriteFile(p, []byte("precious"), 0o600))
		}, nil, "another file", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := kit.Unix(t)
				process := p.start(t, "-listen", at.String())
				client := kit.Dial(t, at)
				if err := row.harm(at.Address); err != nil {
					t.Fatal(err)
				}
				process.WaitStderr(patience, lost)
				mustName(t, process.Stderr(), row.reason, at.String())
				client.ExpectStatus(kit.Have(1, "nobody's"), p.absent)
				if row.heal != nil {
					if err := row.heal(at.Address); err != nil {
						t.Fatal(err)
					}
					process.WaitStderr(patience, back)
					p.mustServe(t, at)
				} else {
					time.Sleep(watchBeat + watchBeat/2) // another look, which says nothing new
				}
				if got := strings.Count(process.Stderr(), lost); got != 1 {
					t.Errorf("got %d lines about it, want 1:\n%s", got, process.Stderr())
				}
				client.ExpectStatus(kit.Have(2, "nobody's"), p.absent)
				mustEnd(t, process)
				if row.stays {
					stat(t, at.Address)
				} else {
					mustBeGone(t, at.Address)
				}
			})
		})
	}
}
