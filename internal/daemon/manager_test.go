package daemon

import (
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/internal/daemon/metrics"
	"distcache/internal/test/kit"
)

func TestStatusLine(t *testing.T) {
	up := metrics.Status{Ready: true, Text: "Connected", LastError: "reset"}
	away := metrics.Status{Text: "Away", Detail: "Requests fail", LastError: "refused", ErrorAgo: time.Second}
	for _, row := range []struct {
		name string
		all  []loopStatus
		want string
	}{
		{"one loop", []loopStatus{{up, 3}}, "Connected. Clients: 3"},
		{"two that agree", []loopStatus{{up, 3}, {up, 4}}, "Connected. Clients: 7"},
		{"three that do not", []loopStatus{{up, 1}, {away, 0}, {up, 1}},
			"Away (refused). Requests fail (event loops: 1). Connected (event loops: 2). Clients: 2"},
	} {
		if got := statusLine(row.all); got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}

// TestPulse: the process is alive when all of its loops are.
func TestPulse(t *testing.T) {
	for _, row := range []struct {
		name  string
		beats []int // the loops that turn, in this order
		want  int
	}{
		{"both turn", []int{0, 1, 1, 0}, 2},
		{"one hangs", []int{0, 0, 0, 0}, 0},
		{"one hangs later", []int{0, 1, 1, 1}, 1},
	} {
		fed := 0
		p := pulse{turned: make([]bool, 2), all: func() { fed++ }}
		for _, i := range row.beats {
			p.beat(i)
		}
		if fed != row.want {
			t.Errorf("%s: got %d signs of life, want %d", row.name, fed, row.want)
		}
	}
}

// TestServiceManagerIsTold starts, reloads and ends a daemon under a service manager.
func TestServiceManagerIsTold(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at, m := kit.Unix(t), kit.NewManager(t)
		c := p.command("-listen", at.String())
		c.Env = m.Env(200 * time.Millisecond)
		process := p.run(t, c)
		m.Wait("READY=1")
		m.Wait(". Clients: 0")
		m.Wait(map[string]string{
			"dc_client": "STATUS=No connection to dc_server at UNIX:/nowhere/dc_server (connect: ",
			"dc_server": "STATUS=Serving sessions from memory. Sessions: 0 of 100000.",
		}[p.name])
		client := kit.Dial(t, at)
		client.ExpectStatus(kit.Have(1, "nobody's"), p.absent)
		m.Wait(". Clients: 1")
		kit.Wait(t, patience, "signs of life", func() bool { return m.Fed() > 1 })

		process.Signal(syscall.SIGHUP)
		m.Wait("RELOADING=1")
		kit.Wait(t, patience, "end of the reload", func() bool { return strings.Count(strings.Join(m.Told(), " "), "READY=1") == 2 })
		mustEnd(t, process)
		m.Wait("STOPPING=1")

		told := regexp.MustCompile(`MONOTONIC_USEC=\d+`).ReplaceAllString(strings.Join(m.Told(), "|"), "MONOTONIC_USEC=n")
		told = regexp.MustCompile(`STATUS=[^|]*(\||$)`).ReplaceAllString(told, "")
		if want := "READY=1|RELOADING=1\nMONOTONIC_USEC=n|READY=1|STOPPING=1"; strings.TrimSuffix(told, "|") != want {
			t.Errorf("got %q, want %q", told, want)
		}
	})
}

// TestServiceManagerOfADetachedDaemon: the messages and the watchdog pass to the daemon itself.
func TestServiceManagerOfADetachedDaemon(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		directory, m := kit.SocketDir(t), kit.NewManager(t)
		c := inShell(p.command(daemonArgs(directory)...), "export WATCHDOG_PID=$$")
		c.Env = append(c.Env, m.Env(200*time.Millisecond)...)
		d := p.detach(t, directory, c)
		m.Wait("READY=1")
		kit.Wait(t, patience, "sign of life", func() bool { return m.Fed() > 0 })
		d.end()
		m.Wait("STOPPING=1")
	})
}

// TestNoServiceManager: a daemon that cannot tell anyone says so once and serves.
func TestNoServiceManager(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		c := p.command("-listen", at.String())
		c.Env = []string{"NOTIFY_SOCKET=/nowhere/notify", "WATCHDOG_USEC=40000"}
		process := p.run(t, c)
		process.WaitStderr(patience, "cannot notify the service manager")
		p.mustServe(t, at)
		mustEnd(t, process)
		if n := strings.Count(process.Stderr(), "service manager"); n != 1 {
			t.Errorf("got %d lines about the service manager, want 1; stderr:\n%s", n, process.Stderr())
		}
	})
}
