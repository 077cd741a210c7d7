package logging

import (
	"errors"
	"io"
	"log/slog"
	"log/syslog"
	"time"
)

// syslogRetry is the time between attempts to reach a syslog daemon that was not there.
const syslogRetry = 5 * time.Second

// errSyslogDown is returned for lines between two attempts.
var errSyslogDown = errors.New("the syslog daemon cannot be reached")

// target takes lines one at a time. It may block; an error means that the line is lost.
type target interface {
	write(level slog.Level, text []byte) error
}

// stderr is the target in the foreground.
type stderr struct {
	w    io.Writer
	torn bool // the last write ended within a line
}

// write writes one line in one piece. After a line that a full disk cut off, it begins a new one.
func (t *stderr) write(_ slog.Level, text []byte) error {
	b := make([]byte, 0, len(text)+2)
	if t.torn {
		b = append(b, '\n')
	}
	b = append(append(b, text...), '\n')
	n, err := t.w.Write(b)
	if n > 0 {
		t.torn = b[n-1] != '\n'
	}
	return err
}

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

// write sends one line with the severity that its level has. Once connected, the library reconnects after a failure.
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
