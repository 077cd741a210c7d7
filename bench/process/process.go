package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Process is one that runs, or has ended.
type Process struct {
	Command Command
	cmd     *exec.Cmd
	output  output
	ended   chan struct{}
}

func newProcess(c Command, cmd *exec.Cmd) *Process {
	p := &Process{Command: c, cmd: cmd, ended: make(chan struct{})}
	p.output.mark = []byte(c.Mark)
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	return p
}

func (p *Process) wait() {
	_ = p.cmd.Wait() // the state says how it ended
	close(p.ended)
}

func (p *Process) kill() {
	_ = p.cmd.Process.Kill() // it fails only when the process has ended
	<-p.ended
}

// PID returns its process ID.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ready reports whether the process has written its Command.Mark.
func (p *Process) Ready() bool { return p.output.marked() }

// Collections returns how many garbage collections the process has reported so far. That is those of a Go program which
// runs with GODEBUG=gctrace=1, and 0 of any other.
func (p *Process) Collections() int { return p.output.collections() }

// Err returns nil while the process runs; then an error that says how it ended, and the last lines that it wrote.
func (p *Process) Err() error {
	select {
	case <-p.ended:
	default:
		return nil
	}
	err := fmt.Errorf("%s ended: %v", p.Command.Name, p.cmd.ProcessState)
	if last := p.output.last(); len(last) > 0 {
		err = fmt.Errorf("%w: %s", err, strings.Join(last, " / "))
	}
	return err
}

// Launcher starts processes. Make one with NewLauncher, and Close it in the end. Its methods may be called by any
// goroutine.
type Launcher struct {
	forks chan func()

	mu      sync.Mutex
	running []*Process
	closed  bool
}

// ErrClosed is returned by Start after Close.
var ErrClosed = errors.New("the launcher is closed")

// NewLauncher returns a Launcher without processes.
func NewLauncher() *Launcher {
	l := &Launcher{forks: make(chan func())}
	go l.forkOnThread()
	return l
}

// forkOnThread makes every start happen on one thread that stays until Close. The kernel ends a child that asked for a
// parent-death signal when the thread ends that forked it, and Go ends threads: those of goroutines that end locked.
func (l *Launcher) forkOnThread() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for fork := range l.forks {
		fork()
	}
}

// Command is what to start.
type Command struct {
	Name string // for messages and reports
	Path string
	Args []string
	Env  []string // name=value, beside the harness's own environment
	Dir  string
	// Mark is in the line that the process writes when it is ready; "" if it writes none.
	Mark string
}

// Start starts the command.
func (l *Launcher) Start(c Command) (*Process, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p := newProcess(c, cmd)
	started := make(chan error)
	l.forks <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, err
	}
	go p.wait()
	l.running = append(l.running, p)
	return p, nil
}

// Stop ends the process and waits until it is gone. It has nothing to lose, so it is not asked.
func (l *Launcher) Stop(p *Process) {
	p.kill()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = slices.DeleteFunc(l.running, func(other *Process) bool { return other == p })
}

// Close ends all processes, and returns when they are gone. After that nothing starts any more.
func (l *Launcher) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	for _, p := range l.running {
		p.kill()
	}
	l.running = nil
	close(l.forks)
}

const (
	// lastLines is how much of a process's output is kept, to say why it ended.
	lastLines = 4
	// longestLine cuts what is kept of one line, in bytes.
	longestLine = 400
)

// collectionMark is how a line of GODEBUG=gctrace=1 begins.
var collectionMark = []byte("gc ")

// output takes what a process writes: it counts garbage collections, looks for the mark, and keeps the last lines.
type output struct {
	mark []byte

	mu     sync.Mutex
	seen   bool // a line with the mark
	gcs    int
	lines  []string
	unread []byte // the beginning of a line
}

// Write never fails.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unread = append(o.unread, b...)
	for {
		line, rest, whole := bytes.Cut(o.unread, []byte("\n"))
		if !whole {
			break
		}
		o.take(line)
		o.unread = rest
	}
	o.unread = o.unread[:min(len(o.unread), longestLine)]
	return len(b), nil
}

func (o *output) take(line []byte) {
	if bytes.HasPrefix(line, collectionMark) && bytes.Contains(line, []byte(" @")) {
		o.gcs++
		return
	}
	o.seen = o.seen || bytes.Contains(line, o.mark)
	if len(o.lines) == lastLines {
		o.lines = o.lines[1:]
	}
	o.lines = append(o.lines, string(line[:min(len(line), longestLine)]))
}

func (o *output) collections() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.gcs
}

func (o *output) marked() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen || len(o.mark) == 0
}

func (o *output) last() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.lines...)
}
