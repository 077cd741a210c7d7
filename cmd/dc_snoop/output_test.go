package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// startPiped runs dc_snoop with its standard output in a pipe that the test reads, or not.
func startPiped(t *testing.T, name string, server kit.Endpoint, args ...string) (cmd *exec.Cmd, at kit.Endpoint, stdout *os.File, stderr *lines) {
	t.Helper()
	at, stderr = kit.Unix(t), new(lines)
	cmd = exec.Command(kit.Program(t, name), append(args, "-listen", at.String(), "-server", server.String())...)
	stdout, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = in, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = stdout.Close()
	})
	kit.Wait(t, patience, "ready", func() bool { return strings.Contains(stderr.String(), " ready ") })
	return cmd, at, stdout, stderr
}

// lines is what a process wrote.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestOutputIsNotRead: the traffic goes on, and all is there when it is read after all.
func TestOutputIsNotRead(t *testing.T) {
	t.Parallel()
	const rounds = 1500 // far more lines than a pipe holds
	up := kit.NewUpstream(t, kit.Unix(t))
	cmd, at, stdout, _ := startPiped(t, program, up.Endpoint())
	c := kit.Dial(t, at)
	for i := range uint32(rounds) {
		c.Answer(kit.Have(i, "id"))
	}
	read := bufio.NewReader(stdout)
	for i := range 2 * rounds {
		if line, err := read.ReadString('\n'); err != nil || !strings.Contains(line, " HAVE ") {
			t.Fatalf("line %d: got %q, %v, want a message", i, line, err)
		}
	}
	if err := errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait()); err != nil {
		t.Errorf("got %v, want a clean end", err)
	}
}

// TestOutputIsNeverRead: at the end it waits as long as it says and no longer.
func TestOutputIsNeverRead(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	cmd, at, _, stderr := startPiped(t, asUsual, up.Endpoint())
	c := kit.Dial(t, at)
	for i := range uint32(1500) {
		c.Answer(kit.Have(i, "id"))
	}
	_ = c.Close()
	began, writeTime := time.Now(), usualLimits().write
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	if took := time.Since(began); took < writeTime || took > patience {
		t.Errorf("got the end after %v, want it after %v to %v", took, writeTime, patience)
	}
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(stderr.String(), "were too slow: the last records were not written within 2s") {
		t.Errorf("got exit code %d, stderr %q, want 1 and the reason", code, stderr.String())
	}
}

// TestOutputIsClosed: as by “dc_snoop … | head”. The traffic goes on, and the exit code tells.
func TestOutputIsClosed(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	cmd, at, stdout, stderr := startPiped(t, program, up.Endpoint())
	_ = stdout.Close()
	c := kit.Dial(t, at)
	kit.Wait(t, patience, "complaint", func() bool {
		c.Answer(kit.Have(1, "id")) // again: a process that another test starts may have the pipe until it runs
		return strings.Contains(stderr.String(), "standard output: write /dev/stdout: broken pipe: writing stopped, the traffic goes on")
	})
	c.Answer(kit.Have(2, "id"))
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
}

// TestQueueIsBounded: what does not fit is counted, and said; a summary gets through.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	blocked, unblock := io.Pipe()
	defer blocked.Close()
	var stderr lines
	r := startRecorder(new(config), newStats(time.Now()), unblock, &stderr, nil)
	first := &event{note: "first"}
	r.show(first)
	one := make([]byte, 1)
	if _, err := io.ReadFull(blocked, one); err != nil { // the recorder is writing now
		t.Fatal(err)
	}
	for range 6 {
		r.queue.put(item{event: first}, maxQueued/4)
	}
	r.summarize()
	r.queue.mu.Lock()
	queued, dropped := r.queue.bytes, r.queue.dropped
	r.queue.mu.Unlock()
	if queued > maxQueued || dropped != 3 {
		t.Errorf("got %d bytes queued and %d records dropped, want at most %d, that which is written included, and 3", queued, dropped, maxQueued)
	}
	var out lines
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(&out, blocked)
	}()
	err := r.stop(patience)
	_ = unblock.Close()
	<-copied
	if err == nil || !strings.Contains(err.Error(), "the outputs were too slow: 3 records dropped") {
		t.Errorf("got error %v, want it to say that 3 records were dropped", err)
	}
	if !strings.Contains(stderr.String(), "slower than the traffic: 3 records dropped so far") {
		t.Errorf("got stderr %q, want it to say that 3 records were dropped", stderr.String())
	}
	if got := out.String(); strings.Count(got, "first") != 4 || !strings.Contains(got, "; 3 records dropped") {
		t.Errorf("got %q, want what was queued, and a summary with 3 records dropped", got)
	}
}

// TestComplaintsAreRare: at most one line a second, which says how many there were.
func TestComplaintsAreRare(t *testing.T) {
	t.Parallel()
	var stderr lines
	r := &recorder{stderr: &stderr}
	for range 10 {
		r.say("trouble")
	}
	if got := stderr.String(); got != program+": trouble\n" {
		t.Errorf("got %q, want one line", got)
	}
	r.complained = r.complained.Add(-complainEvery)
	r.say("more")
	if got := stderr.String(); !strings.HasSuffix(got, program+": more (9 earlier lines suppressed)\n") {
		t.Errorf("got %q, want the number of lines that were left out", got)
	}
}

// TestKeepsUp: 10,000 operations come through a good deal faster than one a millisecond,
// and each is shown.
func TestKeepsUp(t *testing.T) {
	t.Parallel()
	const clients = 10
	rounds := kit.Sized(200, 1000)
	up := kit.NewUpstream(t, kit.Unix(t))
	p, at := start(t, up.Endpoint())
	began := time.Now()
	done := make(chan error, clients)
	for range clients {
		go func() { done <- askMany(at, rounds) }()
	}
	for range clients {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	stop(t, p)
	took := time.Since(began)
	if got := strings.Count(p.Stdout(), "\n"); got != 2*clients*rounds {
		t.Errorf("got %d lines, want %d", got, 2*clients*rounds)
	}
	t.Logf("%d operations in %v", clients*rounds, took)
	if took > patience {
		kit.TooSlow(t, "got %v, want at most %v", took, patience)
	}
}

func askMany(at kit.Endpoint, rounds int) error {
	c, err := kit.Connect(at)
	if err != nil {
		return err
	}
	c.SetPatience(patience)
	for i := range uint32(rounds) {
		if _, err := c.Do(kit.Have(i, "id")); err != nil {
			return errors.Join(err, c.Close())
		}
	}
	return c.Close()
}
