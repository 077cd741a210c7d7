package process

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
)

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
