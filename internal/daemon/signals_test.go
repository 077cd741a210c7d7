package daemon

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

func TestSignals(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		signals  []syscall.Signal
		killable bool
		ends     bool
	}{
		{"SIGTERM", []syscall.Signal{syscall.SIGTERM}, false, true},
		{"SIGINT", []syscall.Signal{syscall.SIGINT}, false, true},
		{"the others", []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE}, false, false},
		{"SIGUSR1 with -killable", []syscall.Signal{syscall.SIGUSR1}, true, true},
		{"SIGUSR2 with -killable", []syscall.Signal{syscall.SIGUSR2}, true, true},
		{"SIGHUP with -killable", []syscall.Signal{syscall.SIGHUP}, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := kit.Unix(t)
				args := []string{"-listen", at.String()}
				if row.killable {
					args = append(args, "-killable")
				}
				process := p.start(t, args...)
				if !row.ends {
					mustOutlive(t, p, process, at, row.signals)
					return
				}
				process.Signal(row.signals[0])
				if code := process.Exit(patience); code != 0 {
					t.Errorf("got exit code %d, want 0", code)
				}
				mustBeGone(t, at.Address)
			})
		})
	}
}

// mustOutlive holds that signals do a daemon no harm, however often they come.
func mustOutlive(t *testing.T, p program, process *kit.Process, at kit.Endpoint, signals []syscall.Signal) {
	t.Helper()
	client := kit.Dial(t, at)
	for _, s := range signals {
		for range 50 {
			process.Signal(s)
			client.ExpectStatus(kit.Have(7, "nobody's"), p.absent)
		}
		if s == syscall.SIGHUP {
			process.WaitStderr(patience, "SIGHUP")
		}
	}
	p.mustServe(t, at)
	mustEnd(t, process)
}

// TestSignalDuringStart ends a daemon at every instant of its start: either nothing has
// been made yet, or it is removed again.
func TestSignalDuringStart(t *testing.T) {
	step := time.Millisecond
	if kit.Full() {
		step = 200 * time.Microsecond
	}
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		early, late := 0, 0
		for delay := time.Duration(0); delay < 12*time.Millisecond; delay += step {
			process := p.command("-listen", socketIn(directory).String(), "-pidfile", directory+"/pid").Start(t)
			time.Sleep(delay)
			process.Signal(syscall.SIGTERM)
			switch code := process.Exit(patience); code {
			case 128 + int(syscall.SIGTERM): // before it could catch the signal
				early++
			case 0:
				late++
			default:
				t.Errorf("got exit code %d after %v, want 0, or death by the signal", code, delay)
			}
			mustBeGone(t, socketIn(directory).Address)
			mustBeGone(t, filepath.Join(directory, "pid"))
		}
		t.Logf("%d ended before they caught signals, %d after", early, late)
	})
}

// TestSecondSignal ends a daemon at once which waits for what is under way.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	for _, second := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(second.String(), func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := kit.Unix(t)
				pidfile := filepath.Join(filepath.Dir(at.Address), "pid")
				process := p.start(t, "-listen", at.String(), "-pidfile", pidfile)
				p.halfARequest(t, at)
				began := time.Now()
				process.Signal(syscall.SIGTERM)
				process.WaitStderr(patience, "stopping")
				process.Signal(second)
				code, took := process.Exit(patience), time.Since(began)
				skipAfterDrain(t, began, code != 0)
				mustBeGone(t, at.Address)
				mustBeGone(t, pidfile)
				if code == 0 {
					t.Error("got exit code 0 after a second signal, want another one")
				}
				if took > drainTime && kit.Full() {
					t.Errorf("got the end after %v, want it at once: the first signal alone takes %v", took, drainTime)
				}
			})
		})
	}
}

// halfARequest is a client in the middle of a request, which keeps a daemon from ending
// for as long as it may. It gives the other half.
func (p program) halfARequest(t *testing.T, at kit.Endpoint) (client *kit.Client, rest []byte) {
	t.Helper()
	client = kit.Dial(t, at)
	client.ExpectStatus(kit.Have(1, "so that it is accepted"), p.absent)
	request := kit.Have(2, "nobody's")
	client.Send(request[:20])
	time.Sleep(20 * time.Millisecond) // the daemon is to have read it; nothing tells
	return client, request[20:]
}
