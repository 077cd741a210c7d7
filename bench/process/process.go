package process

import (
	"fmt"
	"os/exec"
	"strings"
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
