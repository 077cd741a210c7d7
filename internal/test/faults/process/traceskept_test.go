package process

import (
	"fmt"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestO26NoTraceOfAKeptSession: a session that a dc_server has taken over from the one before leaves no byte in
// the memory of the process once it has been removed.
func TestO26NoTraceOfAKeptSession(t *testing.T) {
	t.Parallel()
	needRoot(t)
	canary := fmt.Sprintf("canary-%016x", kit.Random(t).Uint64())
	at, keep := kit.Unix(t), kit.SocketDir(t)+"/keep"
	start := func() *kit.Process {
		process := kit.Command{Path: kit.Tool("dc_server"), Env: []string{"GODEBUG=asyncpreemptoff=1"}, // see TestO26NoTraceOfASession
			Args: []string{"-listen", at.String(), "-keep", "UNIX:" + keep}}.Start(t)
		process.WaitStderr(patience, " ready ")
		return process
	}
	old := start()
	kit.Dial(t, at).ExpectStatus(kit.Add(1, canary, canary, time.Hour), codec.StatusOK)
	next := start()
	next.WaitStderr(patience, "took over sessions sessions=1 ")
	old.Exit(patience)
	c := kit.Dial(t, at)
	mustHold(t, next, canary)
	c.ExpectStatus(kit.Remove(1, canary), codec.StatusOK)
	_ = c.Close()
	kit.Wait(t, patience, "memory without the session", func() bool { return !holds(t, next, canary) })
	mustTellNothing(t, next, canary)
}
