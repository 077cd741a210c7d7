package daemon

import (
	"strings"
	"testing"

	"distcache/internal/test/kit"
)

// TestCollectedBeforeServing: Go collects garbage by time only after a first collection,
// which must not wait until the heap has grown.
func TestCollectedBeforeServing(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		c := p.command("-listen", kit.Unix(t).String())
		c.Env = append(c.Env, "GODEBUG=gctrace=1")
		process := p.run(t, c)
		began, _, _ := strings.Cut(process.Stderr(), p.ready)
		if !strings.Contains(began, "gc 1 @") {
			t.Errorf("got no collection before%s, want one; stderr:\n%s", p.ready, began)
		}
		mustEnd(t, process)
	})
}
