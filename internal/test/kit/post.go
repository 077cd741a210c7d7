package kit

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
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

// clockTick is the unit of the times in /proc/PID/stat: USER_HZ, 100 on Linux.
const clockTick = 10 * time.Millisecond

// Vitals is how a process is, by /proc.
type Vitals struct {
	FDs     int
	Threads int
	RSS     int64         // bytes
	CPU     time.Duration // user and system time since it began, in steps of 10 ms
}

// String gives them in one line.
func (v Vitals) String() string {
	return fmt.Sprintf("%d descriptors, %d threads, %d KB resident, %v of CPU", v.FDs, v.Threads, v.RSS>>10, v.CPU)
}

// ReadVitals reads those of a process. It returns ErrEnded when there is none of that
// ID, or it is dead and only waits to be reaped.
func ReadVitals(pid int) (Vitals, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	text, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return Vitals{}, gone(pid, err)
	}
	v, err := parseStat(string(text), os.Getpagesize())
	if err != nil {
		return Vitals{}, fmt.Errorf("%s/stat: %w", dir, err)
	}
	fds, err := os.ReadDir(dir + "/fd")
	if err != nil {
		return Vitals{}, gone(pid, err)
	}
	v.FDs = len(fds)
	return v, nil
}

// gone says of an error from /proc/PID whether it means that the process is no more.
func gone(pid int, err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("process %d: %w", pid, ErrEnded)
	}
	return err
}

// parseStat reads a line of /proc/PID/stat, see proc(5). The second field is the
// program's name in brackets and may hold spaces and brackets itself.
func parseStat(text string, pageSize int) (Vitals, error) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	number := func(field int) int64 { // as proc(5) numbers them, from 1
		if field-3 >= len(fields) {
			return -1
		}
		n, err := strconv.ParseInt(fields[field-3], 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	if len(fields) > 0 && (fields[0] == "Z" || fields[0] == "X") {
		return Vitals{}, ErrEnded
	}
	user, system, threads, pages := number(14), number(15), number(20), number(24)
	if min(user, system, threads, pages) < 0 {
		return Vitals{}, fmt.Errorf("got %q, want the fields of proc(5)", text)
	}
	return Vitals{
		Threads: int(threads),
		RSS:     pages * int64(pageSize),
		CPU:     time.Duration(user+system) * clockTick,
	}, nil
}

// ErrEnded is returned when a process is looked at that has ended.
var ErrEnded = errors.New("the process has ended")
