package daemon

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestLogsHoldNoSessions: whatever happens to a session, and to who brings it, no byte
// of it is logged.
func TestLogsHoldNoSessions(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		const secret = "canary-5eed"
		p, _ = p.withServer(t, 0)
		at, figures := kit.Unix(t), kit.Unix(t)
		process := p.start(t, "-listen", at.String(), "-metrics", figures.String())
		add := kit.Add(1, secret+"-id", secret+"-data", time.Hour)
		for _, bytes := range [][]byte{add, kit.Get(2, secret+"-id"), slices.Concat(add, []byte(secret)), []byte(secret),
			slices.Concat(kit.Ask(1, codec.OpAdd, []byte{1, 2, 3}), []byte(secret)), add[:len(add)-3]} {
			client := kit.Dial(t, at)
			client.Send(bytes)
			_ = client.CloseWrite()
			_, _ = client.ReadAll()
		}
		process.Signal(syscall.SIGHUP)
		process.WaitStderr(patience, "reason=corrupt")
		shown := ""
		for _, path := range []string{"/status.json", "/figures.json", "/metrics"} {
			_, body := page(t, "unix", figures.Address, path)
			shown += body
		}
		process.Signal(syscall.SIGABRT) // the Go runtime shows its stacks
		process.Exit(patience)
		if text := process.Stderr() + process.Stdout() + shown; strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("got a session's bytes in the output, want none:\n%s", text)
		}
	})
}
