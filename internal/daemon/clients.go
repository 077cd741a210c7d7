package daemon

import (
	"log/slog"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
	"distcache/internal/daemon/logging"
	"distcache/internal/daemon/options"
	"distcache/internal/front"
)

// ClientFlags are the flags of both daemons that are about their clients.
type ClientFlags struct {
	Idle       time.Duration // 0: never
	MinExpiry  time.Duration
	MaxClients int
}

// Declare adds the flags to s. maxClients is the default of -maxclients, and maxClientsHelp its help.
func (f *ClientFlags) Declare(s *options.Set, maxClients int, maxClientsHelp string) {
	s.Millis(&f.Idle, "idle", 0, 0, time.Hour,
		"Close clients idle for this long (0: never).")
	s.Millis(&f.MinExpiry, "minexpiry", 0, 0, codec.MaxTimeout,
		"Minimum session timeout: shorter ones are raised to it.")
	s.Int(&f.MaxClients, "maxclients", "number", maxClients, 1, 1<<20, maxClientsHelp)
}

// OrNever returns deadline.Never for 0, which means for ever in a flag.
func OrNever(d time.Duration) time.Duration {
	if d == 0 {
		return deadline.Never
	}
	return d
}

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
