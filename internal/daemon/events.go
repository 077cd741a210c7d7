package daemon

import (
	"log/slog"
	"time"

	"distcache/internal/daemon/logging"
	"distcache/internal/front"
)

// ClientLog logs why clients were ended, at most once a second for each reason.
type ClientLog struct {
	limits [front.NumReasons]logging.Limiter
}

// ClientDropped logs one, unless the client did nothing wrong: it was idle, or left
// without reading its answer.
func (l *ClientLog) ClientDropped(_ int, why front.Reason, err error, now time.Duration) {
	if why == front.IdleTimeout || why == front.SocketError {
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
