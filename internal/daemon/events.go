package daemon

import (
	"errors"
	"log/slog"
	"time"

	"distcache/internal/daemon/listen"
	"distcache/internal/daemon/logging"
	"distcache/internal/front"
)

// ClientLog logs why client connections were closed, at most once a second for each reason.
type ClientLog struct {
	limits [front.NumReasons]logging.Limiter
}

// ClientDropped logs why a client was closed, unless the client did nothing wrong: it was
// idle, or left without reading its answer.
func (l *ClientLog) ClientDropped(_ int, why front.Reason, err error, now time.Duration) {
	if why == front.IdleTimeout || why == front.SocketError {
		return
	}
	if n, ok := l.limits[why].Allow(now); ok {
		detail := slog.Attr{} // an empty one does not show in the line
		if err != nil {
			detail = slog.Any("detail", err)
		}
		slog.Warn("client closed", "reason", why.String(), detail, logging.Suppressed(n))
	}
}

// socketWatch logs when new clients cannot connect any more because the socket file was
// removed, renamed or replaced. Connected clients are not affected.
type socketWatch struct {
	check func() error // listen.Socket.Checker
	lost  string       // the error that was logged and persists
}

// run looks every few seconds until quit is closed. It has a goroutine of its own: where the
// mount of the socket file hangs, only this waits, and no client does.
func (w *socketWatch) run(quit <-chan struct{}) {
	pause := time.NewTicker(watchBeat)
	defer pause.Stop()
	for {
		select {
		case <-quit:
			return
		case <-pause.C:
		}
		err := w.check()
		select {
		case <-quit: // the end of the daemon removes the file
			return
		default:
			w.tell(err)
		}
	}
}

// tell logs each change once. After -user the path may be out of reach, which is not
// logged.
func (w *socketWatch) tell(err error) {
	switch lost := errors.Is(err, listen.ErrGone) || errors.Is(err, listen.ErrReplaced); {
	case lost && err.Error() != w.lost:
		w.lost = err.Error()
		slog.Warn("new clients cannot connect; restart to listen there again", "reason", err)
	case err == nil && w.lost != "":
		w.lost = ""
		slog.Info("new clients can connect again")
	}
}
