package service

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// playSignals says what the handlers are told. args is "killable" or "not". It begins to handle at the first line on
// stdin, writes to stdout at each other one, and ends with it.
func playSignals(args []string) int {
	signals := CatchSignals(args[0] == "killable")
	fmt.Println("caught")
	in := bufio.NewScanner(os.Stdin)
	in.Scan()
	signals.Handle(Handlers{
		Stop:   func() { fmt.Println("stop") },
		Abort:  func() { os.Exit(5) },
		Reload: func() { fmt.Println("reload") },
		Report: func() { fmt.Println("report") },
	})
	for in.Scan() {
		fmt.Println("alive")
	}
	signals.Close()
	if in.Err() != nil {
		return 9
	}
	return 0
}

// sent is a signal and what the part says then: "" nothing, it goes on; "end" that it ends by Abort.
type sent struct {
	signal syscall.Signal
	want   string
}

func TestSignals(t *testing.T) {
	rows := []struct {
		name, killable string
		sent           []sent
	}{
		{"TERM", "not", []sent{{syscall.SIGTERM, "stop"}}},
		{"INT", "not", []sent{{syscall.SIGINT, "stop"}}},
		{"TERM twice", "not", []sent{{syscall.SIGTERM, "stop"}, {syscall.SIGTERM, "end"}}},
		{"INT after TERM", "not", []sent{{syscall.SIGTERM, "stop"}, {syscall.SIGINT, "end"}}},
		{"HUP", "not", []sent{{syscall.SIGHUP, "reload"}, {syscall.SIGHUP, "reload"}}},
		{"HUP is no stop", "not", []sent{{syscall.SIGHUP, "reload"}, {syscall.SIGTERM, "stop"}, {syscall.SIGHUP, "reload"}}},
		{"USR1 without -killable", "not", []sent{{syscall.SIGUSR1, "report"}, {syscall.SIGUSR1, "report"}}},
		{"USR2 without -killable", "not", []sent{{syscall.SIGUSR2, ""}, {syscall.SIGUSR1, "report"}}},
		{"USR1 with -killable", "killable", []sent{{syscall.SIGUSR1, "stop"}, {syscall.SIGUSR1, "end"}}},
		{"USR2 with -killable", "killable", []sent{{syscall.SIGUSR2, "stop"}, {syscall.SIGUSR2, "end"}}},
		{"USR1 after TERM", "killable", []sent{{syscall.SIGTERM, "stop"}, {syscall.SIGUSR1, "end"}}},
		{"harmless", "killable", []sent{{syscall.SIGPIPE, ""}, {syscall.SIGQUIT, ""}, {syscall.SIGCONT, ""}}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			p := startRole(t, "signals", nil, row.killable)
			p.expect(t, "caught")
			p.say(t, "handle")
			code := 0
			for _, s := range row.sent {
				p.signal(t, s.signal)
				switch s.want {
				case "":
					p.say(t, "there?")
					p.expect(t, "alive")
				case "end":
					code = 5
					p.expect(t, "")
				default:
					p.expect(t, s.want)
				}
			}
			if got, _ := p.end(t); got != code {
				t.Errorf("exit: got %d, want %d", got, code)
			}
		})
	}
}

// TestSignalsAreKept sends signals before Handle is called.
func TestSignalsAreKept(t *testing.T) {
	p := startRole(t, "signals", nil, "not")
	p.expect(t, "caught")
	p.signal(t, syscall.SIGTERM)
	p.signal(t, syscall.SIGUSR2)
	eventually(t, "arrival of the signal", func() bool { return pending(t, p.pid()) == 0 })
	p.say(t, "handle")
	p.expect(t, "stop")
	if code, _ := p.end(t); code != 0 {
		t.Errorf("exit: got %d, want 0", code)
	}
}

// pending returns the signals that a process has been sent and not taken.
func pending(t *testing.T, pid int) int {
	t.Helper()
	status, err := readStatus(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	fmt.Sscanf(status["ShdPnd"], "%x", &n)
	return n
}

// TestStopped stops the process (SIGSTOP) and lets it go on; what came meanwhile is handled then.
func TestStopped(t *testing.T) {
	p := startRole(t, "signals", nil, "not")
	p.expect(t, "caught")
	p.say(t, "handle")
	p.signal(t, syscall.SIGSTOP)
	eventually(t, "stop", func() bool {
		status, err := readStatus(fmt.Sprintf("/proc/%d/status", p.pid()))
		return err == nil && strings.HasPrefix(status["State"], "T")
	})
	p.signal(t, syscall.SIGHUP)
	if got := pending(t, p.pid()); got != 1<<(syscall.SIGHUP-1) {
		t.Errorf("pending while stopped: got %#x, want SIGHUP", got)
	}
	p.signal(t, syscall.SIGCONT)
	p.expect(t, "reload")
	if code, _ := p.end(t); code != 0 {
		t.Errorf("exit: got %d, want 0", code)
	}
}

// TestClosedStdout writes to a stdout whose reader has ended.
func TestClosedStdout(t *testing.T) {
	p := startRole(t, "signals", nil, "not")
	p.expect(t, "caught")
	p.stdout.Close()
	p.say(t, "handle")
	p.say(t, "write to the closed pipe")
	if code, _ := p.end(t); code != 0 {
		t.Errorf("exit: got %d, want 0", code)
	}
}

// TestCloseBeforeHandle closes without a call of Handle.
func TestCloseBeforeHandle(t *testing.T) {
	s := CatchSignals(true)
	s.Close()
	if s.done != nil {
		t.Errorf("goroutine: got one, want none")
	}
}
