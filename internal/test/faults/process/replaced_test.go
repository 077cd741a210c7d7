package process

import (
	"strings"
	"syscall"
	"testing"

	"distcache/internal/test/kit"
)

// TestR03AllClientsAreReplacedAtOnce: with room for exactly as many clients as there are
// descriptors, all of them leave and as many come while the process is held: the newcomers
// take the places of those that left, and none is refused for want of a descriptor.
func TestR03AllClientsAreReplacedAtOnce(t *testing.T) {
	t.Parallel()
	const most = 100
	p := programs()[0]
	at := kit.Unix(t)
	process := ready(inShell(p.command("-listen", at.String(), "-maxclients", "100"), "ulimit -n 164").Start(t))
	for range atFull(3) {
		var old, young []*kit.Client
		for range most {
			old = append(old, p.insider(t, at))
		}
		process.Signal(syscall.SIGSTOP)
		for _, c := range old {
			_ = c.CloseWrite() // is told at once, also where a test beside this one is starting a process, which has all descriptors for a moment
			_ = c.Close()
		}
		for range most {
			young = append(young, newcomer(t, at))
		}
		process.Signal(syscall.SIGCONT)
		refused := 0
		for _, c := range young {
			if !p.isServed(t, c) {
				refused++
			}
			_ = c.CloseWrite()
			_ = c.Close()
		}
		if refused > 0 {
			t.Errorf("got %d of %d newcomers refused, want all served", refused, most)
		}
	}
	if strings.Contains(process.Stderr(), "accepting rests") {
		t.Errorf("got %q, want enough descriptors", process.Stderr())
	}
	mustEnd(t, process)
}
