package daemon

import (
	"log/slog"
	"time"

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
