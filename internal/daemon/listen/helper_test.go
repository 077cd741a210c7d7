package listen

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"distcache/codec/address"
)

// Some tests need a second process, often of another user: the test binary runs itself again, and the variable
// helperVariable then says which helper to be. A helper takes lines on its stdin, answers with lines on its stdout, and
// ends when its stdin does.
const (
	helperVariable = "DC_LISTEN_HELPER"
	pathVariable   = "DC_LISTEN_PATH"
	targetVariable = "DC_LISTEN_TARGET"
)

// nobody is a user without privileges, with the number that every Linux distribution uses.
const nobody = 65534

// patience bounds every wait for another process.
const patience = time.Minute

func TestMain(m *testing.M) {
	helpers := map[string]func(){
		"hammer": hammer, "racer": racer, "starter": starter, "stayer": stayer, "dropper": dropper, "prisoner": prisoner,
		"activated": activated, "checker": checker,
	}
	name := os.Getenv(helperVariable)
	if name == "" {
		goleak.VerifyTestMain(m) // it ends the process
	}
	helpers[name]()
}

// helper is the parent's end of a helper process.
type helper struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string
}

// asNobody is a user without privileges, in the group of that number.
func asNobody(group uint32) *syscall.Credential {
	return &syscall.Credential{Uid: nobody, Gid: group}
}

// startHelper runs a helper as that user, or as the user of the test if it is nil. It gets the files as descriptors 3
// and up, and the variables, which are name=value.
func startHelper(t *testing.T, name string, user *syscall.Credential, extra []*os.File, variables ...string) *helper {
	t.Helper()
	return startHelperWith(t, name, &syscall.SysProcAttr{Credential: user}, extra, variables...)
}

// startHelperWith is startHelper with all attributes of the process.
func startHelperWith(t *testing.T, name string, sys *syscall.SysProcAttr, extra []*os.File, variables ...string) *helper {
	t.Helper()
	// Through /proc the binary can be run by a user who may not enter the directory that it is in.
	cmd := exec.Command("/proc/self/exe")
	// Under the race detector a process sleeps for a second at its end, unless told not to.
	variables = append(variables, helperVariable+"="+name, "GORACE=atexit_sleep_ms=0")
	cmd.Env = append(os.Environ(), variables...)
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = extra
	cmd.SysProcAttr = sys
	stdin, err := cmd.StdinPipe()
	check(t, err)
	stdout, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	h := &helper{t: t, cmd: cmd, stdin: stdin, lines: make(chan string, 64)}
	go func() {
		defer close(h.lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			h.lines <- scanner.Text()
		}
	}()
	t.Cleanup(h.end)
	return h
}

// say sends a line.
func (h *helper) say(line string) {
	h.t.Helper()
	_, err := io.WriteString(h.stdin, line+"\n")
	check(h.t, err)
}

// hear returns the next line.
func (h *helper) hear() string {
	h.t.Helper()
	select {
	case line, ok := <-h.lines:
		if !ok {
			h.t.Fatal("the helper ended without a word")
		}
		return line
	case <-time.After(patience):
		h.t.Fatal("the helper says nothing")
	}
	return ""
}

// finish ends the helper's input, and returns its last line.
func (h *helper) finish() string {
	h.t.Helper()
	_ = h.stdin.Close()
	return h.hear()
}

func (h *helper) end() {
	_ = h.stdin.Close()
	timer := time.AfterFunc(patience, func() { _ = h.cmd.Process.Kill() })
	defer timer.Stop()
	for range h.lines {
	}
	_ = h.cmd.Wait()
}

// inputEnds is closed when the helper's stdin ends.
func inputEnds() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	return ended
}

// stayer opens a socket, tells how that went, and closes it at the end.
func stayer() {
	s, err := Open(mustParse(os.Getenv(targetVariable)), optionsFromLine(os.Getenv(pathVariable)))
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println(s.Addr())
	<-inputEnds()
	fmt.Println("closed:", s.Close())
}

// optionsFromLine reads owner,group,perms.
func optionsFromLine(line string) Options {
	fields := append(strings.Split(line, ","), "", "", "")
	return Options{Owner: fields[0], Group: fields[1], Perms: fields[2]}
}

func mustParse(text string) address.Address {
	addr, err := address.ParseListen(text)
	if err != nil {
		panic(err)
	}
	return addr
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// needRoot skips a test that takes a second user, or one whose files are another's.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to have processes of two users")
	}
}
