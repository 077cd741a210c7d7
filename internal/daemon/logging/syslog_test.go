package logging

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// daemon is a syslog daemon on a socket in a temporary directory.
type daemon struct {
	conn *net.UnixConn
	path string
}

func startDaemon(t *testing.T, path string) *daemon {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{conn: conn, path: path}
	t.Cleanup(d.stop)
	return d
}

func (d *daemon) stop() {
	d.conn.Close()
	os.Remove(d.path)
}

// next returns the next message.
func (d *daemon) next(t *testing.T) string {
	t.Helper()
	b := make([]byte, 8192)
	d.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, err := d.conn.Read(b)
	if err != nil {
		t.Fatalf("no message: %v", err)
	}
	return string(b[:n])
}

func socketPath(t *testing.T) string {
	t.Helper()
	directory, err := os.MkdirTemp("", "dc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	return filepath.Join(directory, "log")
}

func TestSyslogMessage(t *testing.T) {
	d := startDaemon(t, socketPath(t))
	l, warning := openSyslog(&syslogTarget{network: "unixgram", address: d.path, tag: "dc_client"}, layout{}, slog.LevelDebug)
	if warning != "" {
		t.Fatalf("warning: got %q, want none", warning)
	}
	defer l.Close(5 * time.Second)
	const facility = 3 << 3 // daemon
	rows := []struct {
		level    slog.Level
		severity int
	}{
		{slog.LevelDebug, 7},
		{slog.LevelInfo, 6},
		{slog.LevelInfo + 1, 6},
		{slog.LevelWarn, 4},
		{slog.LevelError, 3},
		{slog.LevelError + 4, 3},
	}
	for _, row := range rows {
		t.Run(row.level.String(), func(t *testing.T) {
			l.Log(t.Context(), row.level, "upstream lost", "address", "IP:a b")
			want := fmt.Sprintf(`^<%d>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d dc_client\[%d\]: upstream lost address="IP:a b"\n$`,
				facility|row.severity, os.Getpid())
			if got := d.next(t); !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("got %q, want a match of %s", got, want)
			}
		})
	}
}

// TestSyslogComesLate starts without a daemon: a warning, lines are lost and counted, and found again once it is there.
func TestSyslogComesLate(t *testing.T) {
	path := socketPath(t)
	target := &syslogTarget{network: "unixgram", address: path, tag: "dc_client"}
	l, warning := openSyslog(target, layout{}, nil)
	defer l.Close(5 * time.Second)
	if !strings.Contains(warning, "syslog") || !strings.Contains(warning, path) {
		t.Errorf("warning: got %q, want one that names syslog and %s", warning, path)
	}
	l.Info("nobody hears this")
	if !l.Flush(5 * time.Second) {
		t.Fatal("not flushed within 5 s")
	}
	d := startDaemon(t, path)
	target.retry = time.Now() // the writer is at rest, so it does not mind
	l.Info("heard")
	for _, want := range []string{": heard\n", "count=1\n"} {
		if got := d.next(t); !strings.HasSuffix(got, want) {
			t.Errorf("got %q, want it to end in %q", got, want)
		}
	}
}

// TestSyslogRetryIsRare holds that lines between two attempts cost no attempt.
func TestSyslogRetryIsRare(t *testing.T) {
	path := socketPath(t)
	target := &syslogTarget{network: "unixgram", address: path, tag: "t"}
	if err := target.connect(); err == nil {
		t.Fatal("connected without a daemon")
	}
	startDaemon(t, path)
	if err := target.write(slog.LevelInfo, []byte("m")); err != errSyslogDown {
		t.Errorf("right after a failure: got %v, want %v", err, errSyslogDown)
	}
	target.retry = time.Now().Add(-time.Nanosecond)
	if err := target.write(slog.LevelInfo, []byte("m")); err != nil {
		t.Errorf("after the pause: got %v, want none", err)
	}
	target.w.Close()
}

func TestSyslogRestart(t *testing.T) {
	path := socketPath(t)
	d := startDaemon(t, path)
	l, _ := openSyslog(&syslogTarget{network: "unixgram", address: path, tag: "t"}, layout{}, nil)
	defer l.Close(5 * time.Second)
	l.Info("before")
	d.next(t)
	d.stop()
	d = startDaemon(t, path)
	l.Info("after")
	if got := d.next(t); !strings.HasSuffix(got, ": after\n") {
		t.Errorf("got %q, want it to end in %q", got, ": after\n")
	}
}
