package service

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const alarmFirst, alarmAgain = 300 * time.Millisecond, 30 * time.Second

// playAlarmed postpones the alarm by a goroutine. Then it stands in the kernel with its only processor, or lives on.
func playAlarmed(args []string) int {
	runtime.GOMAXPROCS(1)
	again, err := time.ParseDuration(args[0])
	if err != nil {
		panic(err)
	}
	a, err := NewAlarm(alarmFirst, again)
	fmt.Println(err)
	go func() {
		for {
			time.Sleep(alarmFirst / 10)
			a.Postpone()
		}
	}()
	time.Sleep(2 * alarmFirst)
	fmt.Println("still here")
	if args[1] == "hang" {
		fmt.Println(time.Now().UnixMilli())
		a.Postpone()
	}
	for args[1] == "hang" {
		var b [1]byte
		_, _, _ = unix.RawSyscall(unix.SYS_READ, 0, uintptr(unsafe.Pointer(&b)), 1)
	}
	return playIdle(nil)
}

// TestF15AlarmEndsAProcessThatHangsInTheKernel: no goroutine runs any more.
func TestF15AlarmEndsAProcessThatHangsInTheKernel(t *testing.T) {
	p := startRole(t, "alarmed", nil, alarmFirst.String(), "hang")
	p.expect(t, "<nil>")
	p.expect(t, "still here")
	hangs, err := strconv.ParseInt(p.line(t), 10, 64) // since when, as seen there: this process may be late
	if err != nil {
		t.Fatal(err)
	}
	for p.line(t) != "" {
	}
	_ = p.cmd.Wait()
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != syscall.SIGALRM {
		t.Errorf("got %v, want an end by SIGALRM", p.cmd.ProcessState)
	}
	if took := time.Since(time.UnixMilli(hangs)); took < alarmFirst {
		t.Errorf("got the end after %v, want %v at least", took, alarmFirst)
	}
}

// TestAlarmSparesAProcessThatWasStopped for much longer than the alarm waits.
func TestAlarmSparesAProcessThatWasStopped(t *testing.T) {
	p := startRole(t, "alarmed", nil, alarmAgain.String(), "idle")
	p.expect(t, "<nil>")
	p.expect(t, "still here")
	p.expect(t, "idle")
	for range 2 {
		if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * alarmFirst)
		if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(alarmFirst / 2)
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	for p.line(t) != "" {
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("got %v, want exit code 0; stderr:\n%s", err, strings.TrimSpace(p.stderr.String()))
	}
}
