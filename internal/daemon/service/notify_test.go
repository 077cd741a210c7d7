package service

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// managerSocket is the socket on which a service manager listens.
func managerSocket(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	return socket
}

func TestNotifierTells(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "n"), "@distcache-test-" + strconv.Itoa(os.Getpid())} {
		socket := managerSocket(t, name)
		t.Setenv("NOTIFY_SOCKET", name)
		n, warning := FindNotifier()
		if n == nil || warning != "" {
			t.Fatalf("%s: got %v, warning %q, want a notifier", name, n, warning)
		}
		if value, set := os.LookupEnv("NOTIFY_SOCKET"); set {
			t.Errorf("got NOTIFY_SOCKET %q, want it unset", value)
		}
		for _, row := range []struct {
			send func() error
			want string // a regular expression
		}{
			{n.Ready, `READY=1`},
			{n.Reloading, `RELOADING=1\nMONOTONIC_USEC=[1-9]\d+`},
			{n.Stopping, `STOPPING=1`},
			{n.Alive, `WATCHDOG=1`},
			{func() error { return n.Status("two\nlines") }, `STATUS=two lines`},
		} {
			if err := row.send(); err != nil {
				t.Fatalf("%s: got %v, want %s sent", name, err, row.want)
			}
			b := make([]byte, 200)
			length, err := socket.Read(b)
			if err != nil || !regexp.MustCompile("^"+row.want+"$").Match(b[:length]) {
				t.Errorf("%s: got %q, %v, want %s", name, b[:length], err, row.want)
			}
		}
	}
}

// TestNotifierWithoutManager: all calls do nothing.
func TestNotifierWithoutManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	n, warning := FindNotifier()
	if n != nil || warning != "" || n.Ready() != nil || n.Watchdog() != 0 {
		t.Errorf("got %v, warning %q, want no notifier, which does nothing", n, warning)
	}
}

func TestNotifierRefuses(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "vsock:2:1234")
	if n, warning := FindNotifier(); n != nil || !strings.Contains(warning, `"vsock:2:1234"`) {
		t.Errorf("got %v, warning %q, want none, and a warning with the address", n, warning)
	}
}

// TestNotifierIsNotHeldUp: a service manager that does not read loses messages.
func TestNotifierIsNotHeldUp(t *testing.T) {
	name := filepath.Join(t.TempDir(), "n")
	managerSocket(t, name)
	n, err := newNotifier(name)
	if err != nil {
		t.Fatal(err)
	}
	for range 10_000 {
		if err = n.Alive(); err != nil {
			return
		}
	}
	t.Error("got 10,000 messages sent that nobody reads, want an error")
}

func TestNotifierFindsTheWatchdog(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	for _, row := range []struct {
		name, usec, pid string
		want            time.Duration
	}{
		{"for this process", "1500000", own, 1500 * time.Millisecond},
		{"for any process", "1500000", "", 1500 * time.Millisecond},
		{"for another process", "1500000", "1", 0},
		{"none", "", "", 0},
		{"0", "0", own, 0},
		{"no number", "1.5", own, 0},
		{"too long", "9223372036854775807", own, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Setenv("NOTIFY_SOCKET", "/nowhere")
			t.Setenv("WATCHDOG_USEC", row.usec)
			t.Setenv("WATCHDOG_PID", row.pid)
			n, _ := FindNotifier()
			if got := n.Watchdog(); got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}
