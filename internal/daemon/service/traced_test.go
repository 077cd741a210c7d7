package service

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// playTraced tells for each line of its stdin whether it is traced.
func playTraced([]string) int {
	for {
		var line string
		if _, err := fmt.Fscanln(os.Stdin, &line); err != nil {
			return 0
		}
		fmt.Println(Traced())
	}
}

func TestO25TracedTellsOfADebugger(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not there to be the debugger")
	}
	p := startRole(t, "traced", nil)
	ask := func() string { p.say(t, "x"); return p.line(t) }
	if got := ask(); got != "false" {
		t.Fatalf("got %s before a tracer attached, want false", got)
	}
	tracer := exec.Command(strace, "-qq", "-f", "-e", "trace=none", "-p", strconv.Itoa(p.pid()))
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tracer.Process.Kill() }()
	eventually(t, "a tracer that is noticed", func() bool { return ask() == "true" })
	_ = tracer.Process.Signal(os.Interrupt)
	_ = tracer.Wait()
	if got := ask(); got != "false" {
		t.Errorf("got %s after the end of strace, want false", got)
	}
}
