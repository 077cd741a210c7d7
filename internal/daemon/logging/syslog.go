package logging

import (
	"errors"
	"log/slog"
	"log/syslog"
	"time"
)

// syslogRetry is the time between attempts to reach a syslog daemon that was not there.
const syslogRetry = 5 * time.Second

// errSyslogDown is returned for lines between two attempts.
var errSyslogDown = errors.New("the syslog daemon cannot be reached")

// syslogTarget is the target of a detached daemon. A syslog daemon that starts late or restarts is found again.
type syslogTarget struct {
	network, address string // empty: where the system has it
	tag              string
	w                *syslog.Writer // nil: not connected
	retry            time.Time      // not before this time
}

// connect attempts to reach the syslog daemon.
func (t *syslogTarget) connect() error {
	w, err := syslog.Dial(t.network, t.address, syslog.LOG_DAEMON|syslog.LOG_INFO, t.tag)
	if err != nil {
		t.retry = time.Now().Add(syslogRetry)
		return err
	}
	t.w = w
	return nil
}

// write sends one line with the severity that its level has. Once connected, the library connects anew on failure.
func (t *syslogTarget) write(level slog.Level, text []byte) error {
	if t.w == nil {
		if time.Now().Before(t.retry) {
			return errSyslogDown
		}
		if err := t.connect(); err != nil {
			return err
		}
	}
	switch m := string(text); {
	case level < slog.LevelInfo:
		return t.w.Debug(m)
	case level < slog.LevelWarn:
		return t.w.Info(m)
	case level < slog.LevelError:
		return t.w.Warning(m)
	default:
		return t.w.Err(m)
	}
}
