package service

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const killAfter = 300 * time.Millisecond

// playDoomed is to be killed, and until then does what keeps a Go process from ending: a thread waits in a system call
// that the runtime knows nothing of, while it stops all the others.
func playDoomed([]string) int {
	fmt.Println(KillAfter(killAfter))
	go func() {
		for {
			runtime.GC()
		}
	}()
	for {
		var b [1]byte
		_, _, _ = unix.RawSyscall(unix.SYS_READ, 0, uintptr(unsafe.Pointer(&b)), 1)
	}
}

func TestKillAfter(t *testing.T) {
	began := time.Now() // before its own beginning, so that a busy machine makes it longer alone
	p := startRole(t, "doomed", nil)
	p.expect(t, "<nil>")
	for p.line(t) != "" {
	}
	_ = p.cmd.Wait()
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Errorf("got %v, want an end by SIGKILL", p.cmd.ProcessState)
	}
	if took := time.Since(began); took < killAfter/2 {
		t.Errorf("got the end after %v, want %v", took, killAfter)
	}
}
