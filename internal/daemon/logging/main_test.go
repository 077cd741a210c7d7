package logging

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// roleEnv makes the test binary play a part as a process of its own.
const roleEnv = "LOGGING_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		os.Exit(play(role))
	}
	// Under the race detector each part would sleep for a second before it ends.
	os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0"))
	goleak.VerifyTestMain(m)
}

// play logs floodLines lines to stderr, says "logged" on stdout, and ends when its stdin does.
func play(role string) int {
	signal.Ignore(syscall.SIGPIPE)
	l, warning := Open(Config{Stderr: os.Stderr})
	if role != "flood" || warning != "" {
		return 3
	}
	for i := range floodLines {
		l.Info("flood", "line", i, "filler", filler)
	}
	fmt.Println("logged")
	bufio.NewReader(os.Stdin).ReadString('\n')
	if !l.Flush(5 * time.Second) {
		return 4
	}
	l.Warn("last words")
	if !l.Close(5 * time.Second) {
		return 4
	}
	return 0
}
