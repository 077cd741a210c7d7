package kit

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// idleSpan is how long a process is watched for whether it idles: long enough that the
// 10 ms steps of CPU time are fine enough.
const idleSpan = 300 * time.Millisecond

// Slack is how much worse a process may be after a case than it was before. /proc shows
// threads and not goroutines; a Go process keeps the threads that it once needed.
type Slack struct {
	FDs     int
	Threads int
	RSS     int64         // bytes
	Idle    float64       // share of one CPU that it may use while nothing is asked of it
	Within  time.Duration // in which it has to get there
}

// DefaultSlack is for a case after which all clients have left: no descriptor more, the
// few threads and the memory that the Go runtime keeps, no CPU to speak of, in 10 s.
func DefaultSlack() Slack {
	return Slack{FDs: 0, Threads: 8, RSS: 16 << 20, Idle: 0.1, Within: 10 * time.Second}
}

// Post is the check after a case: is the process as well as it was before.
type Post struct {
	t       testing.TB
	pid     int
	before  Vitals
	process *Process // nil: only /proc is looked at
}

// Post notes how the process is now. Let it serve something first: at first use the Go
// runtime opens descriptors of its own, and keeps them.
func (p *Process) Post() *Post {
	p.t.Helper()
	post := NewPost(p.t, p.PID())
	post.process = p
	return post
}

// NewPost is Process.Post for a process that the test did not start itself, one that
// detached: what it writes is not looked at.
func NewPost(t testing.TB, pid int) *Post {
	t.Helper()
	before, err := ReadVitals(pid)
	if err != nil {
		t.Fatalf("before the case: %v", err)
	}
	return &Post{t: t, pid: pid, before: before}
}

// Check holds that the process is alive, has written neither a panic nor a race to
// stderr, and comes back to what was noted, within that slack.
func (p *Post) Check(slack Slack) {
	p.t.Helper()
	var last error
	Within(slack.Within, func() bool {
		last = p.look(slack)
		return last == nil || errors.Is(last, ErrEnded)
	})
	if last != nil {
		p.t.Errorf("after the case: %v", last)
	}
}

// look gives what is wrong with the process now, nil when nothing is.
func (p *Post) look(slack Slack) error {
	if err := p.wrote(); err != nil {
		return err
	}
	now, err := ReadVitals(p.pid)
	if err != nil {
		return err
	}
	if err := p.compare(now, slack); err != nil {
		return err
	}
	return p.idles(now.CPU, slack.Idle)
}

func (p *Post) compare(now Vitals, slack Slack) error {
	switch {
	case now.FDs > p.before.FDs+slack.FDs:
		return fmt.Errorf("got %d descriptors, want %d+%d at most", now.FDs, p.before.FDs, slack.FDs)
	case now.Threads > p.before.Threads+slack.Threads:
		return fmt.Errorf("got %d threads, want %d+%d at most", now.Threads, p.before.Threads, slack.Threads)
	case now.RSS > p.before.RSS+slack.RSS:
		return fmt.Errorf("got %d KB resident, want %d+%d at most", now.RSS>>10, p.before.RSS>>10, slack.RSS>>10)
	}
	return nil
}

// idles watches for a while how much CPU it uses.
func (p *Post) idles(before time.Duration, most float64) error {
	began := time.Now()
	time.Sleep(idleSpan)
	now, err := ReadVitals(p.pid)
	if err != nil {
		return err
	}
	share := float64(now.CPU-before) / float64(time.Since(began))
	if share > most {
		return fmt.Errorf("got %.0f %% of a CPU used while idle, want %.0f %% at most", share*100, most*100)
	}
	return nil
}

// wrote gives what the process has written that a sound one does not.
func (p *Post) wrote() error {
	if p.process == nil {
		return nil
	}
	if !p.process.Running() {
		return fmt.Errorf("got exit code %d, want it alive: %w", p.process.code(), ErrEnded)
	}
	text := p.process.Stderr()
	for _, bad := range []string{"panic: ", "fatal error: ", "WARNING: DATA RACE"} {
		if strings.Contains(text, bad) {
			return fmt.Errorf("got %q on stderr, want none", bad)
		}
	}
	return nil
}
