package daemon

import (
	"errors"
	"log/slog"

	"distcache/internal/daemon/listen"
)

// socketWatch tells when clients do not find the socket under its path any more, because
// its file was removed, renamed or replaced. Who is connected is served on.
type socketWatch struct {
	check func() error // listen.Socket.Check
	lost  string       // what was logged and is still so
}

// look logs each change once. Whether the path may still be looked at, which it may not
// be after -user, is no change.
func (w *socketWatch) look() {
	err := w.check()
	switch lost := errors.Is(err, listen.ErrGone) || errors.Is(err, listen.ErrReplaced); {
	case lost && err.Error() != w.lost:
		w.lost = err.Error()
		slog.Warn("new clients do not find the socket; restart to listen there again", "reason", err)
	case err == nil && w.lost != "":
		w.lost = ""
		slog.Info("new clients find the socket again")
	}
}
