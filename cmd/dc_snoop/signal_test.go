package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestEndsOrderly: open requests are answered, idle connections are closed, the socket is removed.
func TestEndsOrderly(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	answer := make(chan struct{})
	up.Expect(codec.OpHave, "asked").Do(func(x *kit.Exchange) {
		<-answer
		x.Write(x.Answer)
	})
	p, at := startAs(t, drainsPatiently, up.Endpoint())
	idle, asking := kit.Dial(t, at), kit.Dial(t, at)
	idle.Answer(kit.Have(1, "idle"))
	asking.Send(kit.Have(2, "asked"))
	wantLines(t, p, 3)
	p.Signal(syscall.SIGTERM)
	idle.ExpectClosed()
	close(answer)
	asking.Expect(kit.Status(2, codec.OpHave, codec.StatusNotOK))
	asking.ExpectClosed()
	if code := p.Exit(patience); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	if _, err := os.Lstat(at.Address); !os.IsNotExist(err) {
		t.Errorf("got %v for the socket, want it gone", err)
	}
}

// TestEndsInSpiteOfOpenRequests: those are cut off after the limit for that.
func TestEndsInSpiteOfOpenRequests(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	up.OnConnect(kit.StopReading)
	p, at := start(t, up.Endpoint())
	c := kit.Dial(t, at)
	c.Send(kit.Have(1, "id"))
	wantLines(t, p, 1)
	began, drain := time.Now(), usualLimits().drain
	p.Signal(syscall.SIGTERM)
	c.ExpectClosed()
	if code, took := p.Exit(patience), time.Since(began); code != 0 || took < drain || took > patience {
		t.Errorf("got exit code %d after %v, want 0 after %v to %v", code, took, drain, patience)
	}
	wantText(t, wantLines(t, p, 3),
		"#1 > uid=00000001 HAVE   len=2 id=6964/2",
		"#1 < -- connection lost: dc_snoop is exiting",
		"#1 < -- closed with 1 request unanswered",
	)
}

// TestSecondSignal: it ends at once, by that signal, unless open requests were cut off by then.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	up.OnConnect(kit.StopReading)
	p, at := start(t, up.Endpoint())
	kit.Dial(t, at).Send(kit.Have(1, "id"))
	wantLines(t, p, 1)
	began := time.Now()
	p.Signal(syscall.SIGTERM)
	p.Wait(patience, "end of the listener", func() bool {
		_, err := os.Lstat(at.Address)
		c, refused := kit.Connect(at)
		if refused == nil {
			_ = c.Close()
		}
		return err != nil || refused != nil
	})
	between := time.Since(began)
	p.Signal(syscall.SIGTERM)
	if code := p.Exit(patience); code != 128+int(syscall.SIGTERM) && between < usualLimits().drain/2 {
		t.Errorf("got exit code %d, %v after the first signal, want the signal's", code, between)
	}
}

// TestOutOfDescriptors: it says so, goes on serving, and accepts again when there are some.
func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	up, at := kit.NewUpstream(t, kit.Unix(t)), kit.Unix(t)
	p := kit.Start(t, "/bin/sh", "-c", `ulimit -n 20; exec "$0" "$@"`,
		kit.Program(t, program), "-listen", at.String(), "-server", up.Endpoint().String())
	p.WaitStderr(patience, " ready ")
	first := kit.Dial(t, at)
	first.Answer(kit.Have(1, "id"))
	var more []*kit.Client
	p.Wait(patience, "complaint", func() bool {
		more = append(more, kit.Dial(t, at))
		return strings.Contains(p.Stderr(), "too many open files")
	})
	first.Answer(kit.Have(2, "id"))
	for _, c := range more {
		_ = c.Close()
	}
	p.Wait(patience, "service to new clients", func() bool {
		c, err := kit.Connect(at)
		if err == nil {
			_, err = c.Do(kit.Have(3, "id"))
			_ = c.Close()
		}
		return err == nil
	})
	stop(t, p)
}

// TestF03UnreadStderr: with a stderr that is full from the start, and that no process reads, it
// serves, prints, and ends at the first signal. A start that fails ends too.
func TestF03UnreadStderr(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		server func(t *testing.T, at kit.Endpoint) kit.Endpoint
		code   int
	}{
		{"signal", func(t *testing.T, _ kit.Endpoint) kit.Endpoint { return kit.NewUpstream(t, kit.Unix(t)).Endpoint() }, 0},
		{"start fails", func(t *testing.T, at kit.Endpoint) kit.Endpoint {
			if err := os.WriteFile(at.Address, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return kit.Unix(t)
		}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			at := kit.Unix(t)
			server := row.server(t, at)
			// The shell fills the pipe that it has opened, which no process reads.
			p := kit.Start(t, "/bin/sh", "-c", `mkfifo "$1"; exec 2<>"$1"; dd if=/dev/zero of="$1" bs=4096 oflag=nonblock 2>/dev/null
				shift; exec "$0" "$@"`, kit.Program(t, program), at.Address+".stderr", "-listen", at.String(), "-server", server.String())
			began := time.Now()
			if row.code == 0 {
				p.WaitListening(patience, at)
				c := kit.Dial(t, at)
				c.Answer(kit.Have(1, "id"))
				wantLines(t, p, 2)
				began = time.Now()
				p.Signal(syscall.SIGTERM)
				c.ExpectClosed()
			}
			if code := p.Exit(patience); code != row.code {
				t.Errorf("got exit code %d, want %d", code, row.code)
			}
			if took := time.Since(began); took > time.Second {
				kit.TooSlow(t, "the end took %v, want 1 s at most", took)
			}
		})
	}
}
