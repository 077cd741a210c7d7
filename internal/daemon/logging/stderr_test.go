package logging

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// floodLines fill any pipe and the queue many times over.
const floodLines = 50_000

// filler is at the end of each of them, so that a torn one can be told.
var filler = strings.Repeat("x", 200)

// startFlood starts the process that logs floodLines lines to stderr and waits until it has done so.
func startFlood(t *testing.T, stderr *os.File) (cmd *exec.Cmd, stop io.Closer) {
	t.Helper()
	cmd = exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleEnv+"=flood")
	cmd.Stderr = stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	said := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(stdout).ReadString('\n')
		said <- text
	}()
	select {
	case text := <-said:
		if text != "logged\n" {
			t.Fatalf("got %q, want %q: the flood was not survived", text, "logged\n")
		}
	case <-time.After(time.Minute):
		t.Fatal("the flood blocked for a minute")
	}
	return cmd, stdin
}

// countLines returns how many lines of the flood are in text and how many it says are lost.
func countLines(text string) (whole, lost int) {
	notice := regexp.MustCompile(`log lines lost count=(\d+)`)
	for l := range strings.Lines(text) {
		if m := notice.FindStringSubmatch(l); m != nil {
			n, _ := strconv.Atoi(m[1])
			lost += n
		} else if strings.Contains(l, " INFO flood line=") && strings.HasSuffix(l, filler+"\n") {
			whole++
		}
	}
	return whole, lost
}

// TestUnreadPipe floods a pipe that is not read until the flood is over.
func TestUnreadPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd, stop := startFlood(t, w)
	w.Close()
	text := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(r)
		text <- string(b)
	}()
	stop.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit: got %v, want 0", err)
	}
	whole, lost := countLines(<-text)
	if whole < queueLines || lost < floodLines/2 || whole+lost != floodLines {
		t.Errorf("got %d lines and %d lost, want %d in all, at least %d of them whole and %d lost",
			whole, lost, floodLines, queueLines, floodLines/2)
	}
}

// TestClosedPipe floods a pipe whose reader has gone.
func TestClosedPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd, stop := startFlood(t, w)
	w.Close()
	stop.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit: got %v, want 0", err)
	}
}

// TestFullDisk floods a file system of 16 KB and then makes room on it.
func TestFullDisk(t *testing.T) {
	directory := t.TempDir()
	if err := syscall.Mount("tmpfs", directory, "tmpfs", 0, "size=16k"); err != nil {
		t.Skipf("no small file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(directory, syscall.MNT_DETACH) })
	log, err := os.OpenFile(filepath.Join(directory, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd, stop := startFlood(t, log)
	if err := syscall.Mount("tmpfs", directory, "tmpfs", syscall.MS_REMOUNT, "size=4m"); err != nil {
		t.Fatal(err)
	}
	stop.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit: got %v, want 0", err)
	}
	text, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(text), " WARN last words\n") {
		t.Errorf("got a log that ends in %q, want the line that was logged when there was room again", text[max(0, len(text)-300):])
	}
	whole, lost := countLines(string(text))
	if whole == 0 || lost < floodLines/2 || whole+lost != floodLines {
		t.Errorf("got %d lines and %d lost, want %d in all, at least %d lost", whole, lost, floodLines, floodLines/2)
	}
}

// shortWriter takes room bytes in all and fails then.
type shortWriter struct {
	bytes.Buffer
	room int
}

func (w *shortWriter) Write(b []byte) (int, error) {
	n := min(len(b), w.room)
	w.room -= n
	w.Buffer.Write(b[:n])
	if n < len(b) {
		return n, errors.New("full")
	}
	return n, nil
}

func TestTornLine(t *testing.T) {
	rows := []struct {
		name string
		room int
		want string
	}{
		{"nothing written", 0, "second\n"},
		{"cut within", 3, "fir\nsecond\n"},
		{"cut before the newline", 5, "first\nsecond\n"},
		{"whole", 6, "first\nsecond\n"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := &shortWriter{room: row.room}
			target := &stderr{w: w}
			err := target.write(slog.LevelInfo, []byte("first"))
			if got, want := err != nil, row.room < len("first\n"); got != want {
				t.Errorf("first line: got error %v, want one: %v", err, want)
			}
			w.room = 100
			if err := target.write(slog.LevelInfo, []byte("second")); err != nil {
				t.Errorf("second line: %v", err)
			}
			if got := w.String(); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// TestTornTwice is cut off within a line, and then right after the newline that begins the next.
func TestTornTwice(t *testing.T) {
	w := &shortWriter{}
	target := &stderr{w: w}
	for i, room := range []int{3, 1, 100} {
		w.room = room
		if err := target.write(slog.LevelInfo, []byte("line")); (err != nil) != (room < 6) {
			t.Errorf("line %d: got error %v", i, err)
		}
	}
	if got, want := w.String(), "lin\nline\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func ExampleLimiter() {
	var garbage Limiter
	for _, now := range []time.Duration{0, time.Millisecond, 2 * time.Millisecond, time.Second} {
		if n, ok := garbage.Allow(now); ok {
			fmt.Println(now, "corrupt frame", Suppressed(n))
		}
	}
	// Output:
	// 0s corrupt frame =<nil>
	// 1s corrupt frame suppressed=2
}
