package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"distcache/internal/daemon/listen"
)

// errEnding is returned by socketWatch.renew when the daemon ends.
var errEnding = errors.New("the daemon ends")

// socketWatch looks whether clients still find a listening socket at its path. A socket file
// that was removed or renamed is made anew; the file of another process there is left alone.
// Connected clients are not affected.
type socketWatch struct {
	check func() error // listen.Socket.Checker
	renew func() error // makes the file anew, and changes check

	lost  string // the reason that was logged and persists
	final bool   // renew is not permitted, and is not tried again until the file is back
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
			w.act(err)
		}
	}
}

// act makes a file that is gone anew, and logs each change once. After -user the path may be
// out of reach, which is not logged.
func (w *socketWatch) act(err error) {
	switch {
	case errors.Is(err, listen.ErrGone):
		if !w.final {
			w.makeAnew(err)
		}
	case errors.Is(err, listen.ErrReplaced):
		w.tell("new clients cannot connect; restart to listen there again", err)
	case err == nil && w.lost != "":
		w.lost, w.final = "", false
		slog.Info("new clients can connect again")
	}
}

func (w *socketWatch) makeAnew(gone error) {
	err := w.renew()
	w.final = listen.IsFinal(err)
	switch {
	case errors.Is(err, errEnding):
	case err == nil:
		w.lost = ""
		slog.Warn("socket file made anew: new clients can connect again", "reason", gone)
	case w.final:
		w.tell("new clients cannot connect; restart to listen there again",
			fmt.Errorf("%w, and this process may not make it anew: %w", gone, err))
	default:
		w.tell("new clients cannot connect; trying again to make the socket file", fmt.Errorf("%w: %w", gone, err))
	}
}

// tell logs a reason, unless it is the same as before.
func (w *socketWatch) tell(message string, reason error) {
	if text := reason.Error(); text != w.lost {
		w.lost = text
		slog.Warn(message, "reason", text)
	}
}
