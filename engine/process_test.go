package engine

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"distcache/engine/poll"

	"golang.org/x/sys/unix"
)

// What a process of the test binary is told in its environment, beside its role.
const (
	nofileEnv = "ENGINE_TEST_NOFILE" // the limit of descriptors
	pathEnv   = "ENGINE_TEST_PATH"   // of the socket to connect to
	countEnv  = "ENGINE_TEST_COUNT"  // of connections
)

// play plays a role in a process of its own.
func play(role string) error {
	switch role {
	case "server":
		return playServer()
	case "crowd":
		return playCrowd()
	case "few descriptors":
		return playFewDescriptors()
	}
	return fmt.Errorf("no such role %s", role)
}

func numberFrom(env string) (int, error) { return strconv.Atoi(os.Getenv(env)) }

// limitNofile lowers the limit of descriptors.
func limitNofile(n int) error {
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(n), Max: uint64(n)})
}

// faults is the complainer of a process.
type faults struct{ list []string }

func (f *faults) Errorf(format string, args ...any) {
	f.list = append(f.list, fmt.Sprintf(format, args...))
}

// playServer serves with the usual script under a limit of descriptors. It prints its
// address; then each line that it reads is a question, which it answers by a number. It
// ends when there are no more.
func playServer() error {
	nofile, err := numberFrom(nofileEnv)
	if err != nil {
		return err
	}
	if err := limitNofile(nofile); err != nil {
		return err
	}
	var f faults
	srv, err := newServer(limits{max: 100_000, pool: 1 << 20}, (&script{}).handle(&f))
	if err != nil {
		return err
	}
	defer os.RemoveAll(srv.directory)
	go func() { srv.ended <- srv.Run() }()
	fmt.Println(srv.at.(*unix.SockaddrUnix).Name)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		answer := make(chan int64)
		if err := srv.Post(func() { answer <- srv.answer(lines.Text()) }); err != nil {
			return err
		}
		fmt.Println(<-answer)
	}
	srv.Stop()
	if err := <-srv.ended; err != nil {
		return err
	}
	if len(f.list) > 0 {
		return fmt.Errorf("%d faults, such as %s", len(f.list), f.list[0])
	}
	return nil
}

// answer runs on the loop goroutine.
func (srv *server) answer(question string) int64 {
	switch question {
	case "clients":
		return int64(srv.clients.Len())
	case "refused":
		return int64(srv.listener.Refused)
	case "cpu":
		var u unix.Rusage
		_ = unix.Getrusage(unix.RUSAGE_SELF, &u) // fails for a bad argument only
		return u.Utime.Nano() + u.Stime.Nano()
	}
	return -1
}

// playCrowd connects many clients, says so, and stays until its input ends.
func playCrowd() error {
	count, err := numberFrom(countEnv)
	if err != nil {
		return err
	}
	for range count {
		if _, err := dial(nil, &unix.SockaddrUnix{Name: os.Getenv(pathEnv)}); err != nil {
			return err
		}
	}
	fmt.Println("connected")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// playFewDescriptors makes loops with 0, 1, 2, … descriptors to be had, until one can be
// made: each that cannot gives an error and leaves no descriptor behind.
func playFewDescriptors() error {
	const most = 64
	if err := limitNofile(most); err != nil {
		return err
	}
	taken := 0 // by Go's own poller, for good
	for free := 0; free < 20; free++ {
		var fill []int
		for {
			fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				break
			}
			fill = append(fill, fd)
		}
		for _, fd := range fill[:free] {
			_ = unix.Close(fd)
		}
		l, err := NewLoop()
		left := countFree()
		for _, fd := range fill[free:] {
			_ = unix.Close(fd)
		}
		if err == nil {
			if free < 2 {
				return fmt.Errorf("got a loop with %d descriptors", free)
			}
			l.Stop()
			return l.Run()
		}
		gone := free - left
		if taken += gone; gone != 0 && (taken > gone || taken != poll.GoDescriptors) {
			return fmt.Errorf("with %d descriptors free: %v, and %d are free then", free, err, left)
		}
	}
	return fmt.Errorf("no loop with 20 descriptors")
}

// countFree counts how many descriptors can be had.
func countFree() int {
	var fds []int
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			break
		}
		fds = append(fds, fd)
	}
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
	return len(fds)
}

// process is the test binary in a role.
type process struct {
	t     testing.TB
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	log   strings.Builder // standard error; complete after end
	ended bool
}

// start starts a role. The process ends with the test.
func start(t testing.TB, role string, env ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command("/proc/self/exe")}
	p.cmd.Env = append(append(os.Environ(), roleEnv+"="+role), env...)
	p.cmd.Stderr = &p.log
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !p.ended {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait() // the kill
		}
	})
	return p
}

// line reads a line of the process's output.
func (p *process) line() string {
	p.t.Helper()
	watchdog := time.AfterFunc(6*soon, func() { _ = p.cmd.Process.Kill() })
	defer watchdog.Stop()
	text, err := p.out.ReadString('\n')
	if err != nil {
		_ = p.cmd.Wait() // so that its log is complete
		p.ended = true
		p.t.Fatalf("the process said no more: %v\n%s", err, p.log.String())
	}
	return strings.TrimSuffix(text, "\n")
}

// ask asks a server.
func (p *process) ask(question string) int64 {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, question); err != nil {
		p.t.Fatal(err)
	}
	n, err := strconv.ParseInt(p.line(), 10, 64)
	if err != nil || n < 0 {
		p.t.Fatalf("%s: got %d, %v, want a number", question, n, err)
	}
	return n
}

// end ends the process's input, at which it must end well.
func (p *process) end() {
	p.t.Helper()
	_ = p.in.Close()
	watchdog := time.AfterFunc(soon, func() { _ = p.cmd.Process.Kill() })
	defer watchdog.Stop()
	p.ended = true
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("the process ended with %v, want well\n%s", err, p.log.String())
	}
}
