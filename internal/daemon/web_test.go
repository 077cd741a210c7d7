package daemon

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"distcache/codec"
	"distcache/codec/address"
	"distcache/internal/test/kit"
)

// page asks the HTTP server of a daemon.
func page(t *testing.T, network, at, path string) (code int, body string) {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, at)
		}}}
	answer, err := client.Get("http://localhost" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

var metricsAt = regexp.MustCompile(` metrics=IP:(\S+)`)

// TestMetricsOverTCP: all that -metrics serves, at a port that the kernel chooses.
func TestMetricsOverTCP(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		process := p.start(t, "-listen", kit.Unix(t).String(), "-metrics", "IP:127.0.0.1:0")
		at := metricsAt.FindStringSubmatch(process.Stderr())
		if at == nil {
			t.Fatalf("got %q, want a ready line that names the address", process.Stderr())
		}
		if strings.Contains(process.Stderr(), "reachable from other hosts") {
			t.Errorf("got a warning about loopback: %s", process.Stderr())
		}
		for path, want := range map[string]string{"/": "<!doctype html>", "/metrics": `distcache_build_info{go=`, "/healthz": "ok",
			"/status.json": `"program":"` + p.name + `"`, "/figures.json": `"figures":[`} {
			if code, body := page(t, "tcp", at[1], path); code != 200 || !strings.Contains(body, want) {
				t.Errorf("%s: got %d %.80q, want 200 with %q", path, code, body, want)
			}
		}
		want := map[string]int{"dc_client": 503, "dc_server": 200}[p.name] // the dc_client here has no dc_server
		if code, body := page(t, "tcp", at[1], "/readyz"); code != want {
			t.Errorf("readyz: got %d %q, want %d", code, body, want)
		}
		if code, _ := page(t, "tcp", at[1], "/debug/pprof/"); code != 404 {
			t.Errorf("pprof without -pprof: got %d, want 404", code)
		}
		process.Signal(syscall.SIGTERM)
		if code := process.Exit(patience); code != 0 {
			t.Errorf("got exit code %d, want 0", code)
		}
	})
}

// TestMetricsOverUnix: the socket file goes with the daemon, as that of -listen does.
func TestMetricsOverUnix(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		path := filepath.Join(kit.SocketDir(t), "m")
		process := p.start(t, "-listen", kit.Unix(t).String(), "-metrics", "UNIX:"+path, "-pprof")
		if code, body := page(t, "unix", path, "/debug/pprof/goroutine?debug=1"); code != 200 {
			t.Errorf("pprof: got %d %.80q, want 200", code, body)
		}
		process.Signal(syscall.SIGTERM)
		if code := process.Exit(patience); code != 0 {
			t.Errorf("got exit code %d, want 0", code)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("the socket file is still there: %v", err)
		}
	})
}

// TestMetricsAfterUser: the figures of the process can still be read when its privileges are gone.
func TestMetricsAfterUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	forEach(t, func(t *testing.T, p program) {
		process := p.start(t, "-listen", kit.Unix(t).String(), "-metrics", "IP:127.0.0.1:0", "-user", "nobody")
		at := metricsAt.FindStringSubmatch(process.Stderr())
		if code, body := page(t, "tcp", at[1], "/metrics"); code != 200 || !strings.Contains(body, "\nprocess_resident_memory_bytes ") {
			t.Errorf("got %d, want 200 with the memory of the process:\n%s", code, body)
		}
	})
}

// TestMetricsInUse: a start without its HTTP server fails, and leaves nothing behind.
func TestMetricsInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		process := p.command("-listen", at.String(), "-metrics", "IP:"+l.Addr().String()).Start(t)
		if code := process.Exit(patience); code != 1 || !strings.Contains(process.Stderr(), "-metrics IP:"+l.Addr().String()) {
			t.Errorf("got exit code %d and %q, want 1 and the address", code, process.Stderr())
		}
		mustBeGone(t, at.Address)
	})
}

// TestMetricsForAllWarns: figures are no secret, and yet not for everybody.
func TestMetricsForAllWarns(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		process := p.start(t, "-listen", kit.Unix(t).String(), "-metrics", "IP:0")
		if !strings.Contains(process.Stderr(), "-metrics IP:0 is reachable from other hosts: they can read the figures without a password; use IP:127.0.0.1:0 or UNIX:/path") {
			t.Errorf("got %q, want a warning", process.Stderr())
		}
	})
}

// TestFiguresAreLogged: in one line at SIGUSR1, and in one at the end, which counts to the last.
func TestFiguresAreLogged(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		process := p.start(t, "-listen", at.String())
		client := kit.Dial(t, at)
		mustLog := func(message string, wants ...string) {
			t.Helper()
			process.WaitStderr(patience, "INFO "+message+" ")
			_, line, _ := strings.Cut(process.Stderr(), "INFO "+message+" ")
			line, _, _ = strings.Cut(line, "\n")
			for _, want := range wants {
				if !strings.Contains(" "+line+" ", want+" ") {
					t.Errorf("got line %s %q, want it with %q", message, line, want)
				}
			}
		}
		client.ExpectStatus(kit.Have(7, "nobody's"), p.absent)
		process.Signal(syscall.SIGUSR1)
		mustLog("figures", " clients=1", " accepted=1", " requests_HAVE=1")
		client.ExpectStatus(kit.Have(7, "nobody's"), p.absent)
		mustEnd(t, process)
		mustLog("stopped", " clients=0", " accepted=1", " requests_HAVE=2")
		if strings.Contains(process.Stderr(), "INFO stopped status=") {
			t.Error("got the state that the end has made of the daemon, want the figures alone")
		}
	})
}

// TestLogFlags: each line of JSON is an object, and a level leaves out what is below it.
func TestLogFlags(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		process := p.command("-listen", at.String(), "-logformat", "json").Start(t)
		process.WaitStderr(patience, `"msg":"ready"`)
		for line := range strings.Lines(process.Stderr()) {
			var record map[string]any
			if err := json.Unmarshal([]byte(line), &record); err != nil || record["time"] == nil || record["level"] == nil {
				t.Errorf("got %q: %v", line, err)
			}
		}
		at = kit.Unix(t)
		quiet := p.command("-listen", at.String(), "-loglevel", "error").Start(t)
		quiet.WaitListening(patience, at)
		quiet.Signal(syscall.SIGTERM)
		if code := quiet.Exit(patience); code != 0 || quiet.Stderr() != "" {
			t.Errorf("got exit code %d and %q, want 0 and silence", code, quiet.Stderr())
		}
	})
}

// TestPeersAndRefusals: who is connected, and why others are not.
func TestPeersAndRefusals(t *testing.T) {
	t.Parallel()
	process := programs()[1].start(t, "-listen", "IP:127.0.0.1:0", "-metrics", "IP:127.0.0.1:0", "-maxclients", "2")
	at := process.Listens()
	kit.Dial(t, at).ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	corrupt := kit.Dial(t, at)
	corrupt.Send([]byte("GET / HTTP/1.1\r\n\r\n"))
	corrupt.ExpectClosed()
	kit.Dial(t, at).ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	kit.Dial(t, at).ExpectClosed()
	for _, want := range []string{`distcache_peers{address="127.0.0.1"} 2`, `distcache_clients_refused_total{reason="limit"} 1`,
		`distcache_clients_refused_total{reason="resources"} 0`, `distcache_corrupt_total{field="proto_level",front="distcache"} 1`, "distcache_clients 2"} {
		process.Wait(patience, want, func() bool { // figures may be a second old
			_, body := page(t, "tcp", metricsAt.FindStringSubmatch(process.Stderr())[1], "/metrics")
			return strings.Contains(body, want+"\n")
		})
	}
}

// TestMetricsWarning: an address of this host alone has none, however it is written.
func TestMetricsWarning(t *testing.T) {
	for text, want := range map[string]bool{
		"IP:127.0.0.1:1": false, "IP:localhost:1": false, "IP:LOCALHOST:1": false, "IP:[::ffff:127.0.0.1]:1": false, "IPv6:[::1]:1": false,
		"UNIX:/m": false, "IP:1": true, "IP:192.0.2.1:1": true, "IP:localhost.example.net:1": true,
	} {
		at, err := address.ParseListen(text)
		if err != nil {
			t.Fatal(err)
		}
		f := MetricsFlags{Address: at}
		if got := f.warning(); (got != "") != want {
			t.Errorf("%s: got the warning %q, want one: %v", text, got, want)
		}
	}
}
