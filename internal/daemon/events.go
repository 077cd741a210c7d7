package daemon

import (
	"log/slog"
	"time"

	"distcache/internal/daemon/logging"
	"distcache/internal/dialog"
)

// ClientLog logs why clients were ended, at most once a second for each reason.
type ClientLog struct {
	limits [dialog.NumReasons]logging.Limiter
}

// ClientDropped logs one, unless the client did nothing wrong: it was idle, or left
// without reading its answer.
func (l *ClientLog) ClientDropped(_ int, why dialog.Reason, err error, now time.Duration) {
	if why == dialog.IdleTimeout || why == dialog.SocketError {
		return
	}
	if n, ok := l.limits[why].Allow(now); ok {
		slog.Warn("client closed", "reason", why.String(), detail(err), logging.Suppressed(n))
	}
}

// detail is empty, and leaves no trace in the line, where the reason says all.
func detail(err error) slog.Attr {
	if err == nil {
		return slog.Attr{}
	}
	return slog.Any("detail", err)
}
