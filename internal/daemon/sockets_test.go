package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"distcache/internal/daemon/listen"
	"distcache/internal/test/kit"
)

// TestSocketWatchTellsEachChangeOnce changes slog's default logger, so it is not parallel.
func TestSocketWatchTellsEachChangeOnce(t *testing.T) {
	gone, replaced := fmt.Errorf("x: %w", listen.ErrGone), fmt.Errorf("x: %w", listen.ErrReplaced)
	denied, full := fmt.Errorf("x: %w", fs.ErrPermission), errors.New("no space left on device")
	for _, row := range []struct {
		name  string
		seen  []error
		renew []error // what the attempts to make the file anew give
		want  string  // W: lost or made anew, I: back
	}{
		{"in place", []error{nil, nil, nil}, nil, ""},
		{"gone, made anew", []error{nil, gone, nil, nil, gone, nil}, []error{nil, nil}, "WW"},
		{"gone, the disk is full for a while", []error{gone, gone, gone, nil}, []error{full, full, nil}, "WW"},
		{"gone, for another reason now", []error{gone, gone}, []error{full, listen.ErrInUse}, "WW"},
		{"gone, not permitted", []error{gone, gone, gone}, []error{denied}, "W"},
		{"gone, not permitted, back, gone", []error{gone, nil, gone}, []error{denied, denied}, "WIW"},
		{"gone while the daemon ends", []error{gone}, []error{errEnding}, ""},
		{"gone, then replaced", []error{gone, replaced, replaced, nil, gone}, []error{full, full}, "WWIW"},
		{"cannot be looked at", []error{denied, denied}, nil, ""},
		{"cannot be looked at while gone", []error{gone, denied, gone, nil}, []error{full, full}, "WI"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var log bytes.Buffer
			before := slog.Default()
			slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
			defer slog.SetDefault(before)
			w := &socketWatch{renew: func() (err error) {
				if len(row.renew) == 0 {
					t.Fatal("one attempt too many to make the file anew")
				}
				err, row.renew = row.renew[0], row.renew[1:]
				return err
			}}
			for _, err := range row.seen {
				w.act(err)
			}
			got := ""
			for line := range strings.Lines(log.String()) {
				_, level, _ := strings.Cut(line, "level=")
				got += level[:1]
			}
			if got != row.want || len(row.renew) > 0 {
				t.Errorf("got the levels %q, and attempts left %v, want %q and none:\n%s", got, row.renew, row.want, log.String())
			}
		})
	}
}

// TestO16SocketFileChangesAreTold replaces the socket file of a running daemon. It says so once,
// who is connected is served throughout, and at the end no other file is removed.
func TestO16SocketFileChangesAreTold(t *testing.T) {
	const lost = "new clients cannot connect"
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		process := p.start(t, "-listen", at.String())
		client := kit.Dial(t, at)
		if err := os.WriteFile(at.Address+".new", []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(at.Address+".new", at.Address); err != nil {
			t.Fatal(err)
		}
		process.WaitStderr(patience, lost)
		mustName(t, process.Stderr(), "another file", at.String())
		client.ExpectStatus(kit.Have(1, "nobody's"), p.absent)
		time.Sleep(watchBeat + watchBeat/2) // another look, which says nothing new
		if got := strings.Count(process.Stderr(), lost); got != 1 {
			t.Errorf("got %d lines about it, want 1:\n%s", got, process.Stderr())
		}
		client.ExpectStatus(kit.Have(2, "nobody's"), p.absent)
		mustEnd(t, process)
		if text, err := os.ReadFile(at.Address); string(text) != "precious" {
			t.Errorf("got %q, %v as the other file, want it as it was", text, err)
		}
	})
}

// TestO16SocketFileIsMadeAnew removes or renames the socket file, or its directory: each time a
// new one serves, and who was connected is served throughout.
func TestO16SocketFileIsMadeAnew(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		harm func(path string) error
	}{
		{"removed", os.Remove},
		{"renamed", func(p string) error { return os.Rename(p, p+".away") }},
		{"its directory made anew", func(p string) error {
			return errors.Join(os.RemoveAll(filepath.Dir(p)), os.Mkdir(filepath.Dir(p), 0o755))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := kit.Unix(t)
				args := []string{"-listen", at.String(), "-sockperms", "620"}
				if p.name == "dc_client" {
					args = append(args, "-loops", "2")
				}
				process := p.start(t, args...)
				client := kit.Dial(t, at)
				client.ExpectStatus(kit.Have(1, "nobody's"), p.absent)
				check := notePost(process)
				for range 3 {
					if err := row.harm(at.Address); err != nil {
						t.Fatal(err)
					}
					process.Wait(patience, "another socket file", func() bool { return answers(at) })
					if got := stat(t, at.Address).Mode & 0o7777; got != 0o620 {
						t.Errorf("got mode %03o, want 620", got)
					}
				}
				for range 10 { // both loops
					p.mustServe(t, at)
				}
				process.WaitStderr(patience, "socket file recreated: new clients can connect again")
				client.ExpectStatus(kit.Have(2, "nobody's"), p.absent)
				check(kit.DefaultSlack())
				mustEnd(t, process)
				mustBeGone(t, at.Address)
			})
		})
	}
}

// TestO16SocketFileAfterUser removes the socket file of a daemon that has dropped its privileges:
// it makes a new one where it may give that the same access, and else says once that it cannot.
func TestO16SocketFileAfterUser(t *testing.T) {
	t.Parallel()
	needRoot(t)
	user := strconv.Itoa(nobody)
	for _, row := range []struct {
		name      string
		directory int // its owner
		args      []string
		reason    string // why it cannot; "": it can
	}{
		{"its own directory and owner", nobody, []string{"-sockperms", "660", "-sockowner", user}, ""},
		{"open to all", nobody, []string{"-sockperms", "666"}, ""},
		{"a directory of root", 0, []string{"-sockperms", "666"}, "cannot create the socket"},
		{"another owner", nobody, []string{"-sockperms", "600", "-sockowner", "12345"}, "cannot give the socket to user 12345"},
		{"group root, by default", nobody, []string{"-sockperms", "660"}, "cannot give the socket to group 0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := kit.Unix(t)
				if err := os.Chown(filepath.Dir(at.Address), row.directory, row.directory); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(filepath.Dir(at.Address), 0o755); err != nil {
					t.Fatal(err)
				}
				process := p.start(t, append(row.args, "-listen", at.String(), "-user", user)...)
				before := stat(t, at.Address)
				if err := os.Remove(at.Address); err != nil {
					t.Fatal(err)
				}
				if row.reason == "" {
					process.WaitStderr(patience, "socket file recreated: new clients can connect again")
					after := stat(t, at.Address)
					if after.Mode != before.Mode || after.Uid != nobody {
						t.Errorf("got mode %o of user %d, want %o of user %d", after.Mode, after.Uid, before.Mode, nobody)
					}
					p.mustServe(t, at)
					mustEnd(t, process)
					mustBeGone(t, at.Address)
					return
				}
				process.WaitStderr(patience, "is not permitted to recreate it")
				mustName(t, process.Stderr(), row.reason, at.String())
				time.Sleep(watchBeat + watchBeat/2) // another look
				mustBeGone(t, at.Address)
				if n := strings.Count(process.Stderr(), "recreated") + strings.Count(process.Stderr(), "recreate it"); n != 1 {
					t.Errorf("got %d lines about it, want 1:\n%s", n, process.Stderr())
				}
				mustEnd(t, process)
			})
		})
	}
}
