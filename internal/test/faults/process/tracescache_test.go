package process

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestO26NoTraceInTheCache: dc_client with -cache keeps sessions. When one has been removed, has expired, or dc_server does not have it
// any more, no byte of it is left in the memory of the process.
func TestO26NoTraceInTheCache(t *testing.T) {
	t.Parallel()
	needRoot(t)
	canary := fmt.Sprintf("canary-%016x", kit.Random(t).Uint64())
	rig := kit.NewRig(t).Within(func(c kit.Command) kit.Command {
		c.Env = append(c.Env, "GODEBUG=asyncpreemptoff=1") // see TestO26NoTraceOfASession
		return c
	})
	_, serverAt := rig.Server()
	agent, at := rig.Client(serverAt, "-cache", "64")
	_, otherAt := rig.Client(serverAt)
	c, other := kit.Dial(t, at), kit.Dial(t, otherAt)

	removed := canary + "-removed"
	c.ExpectStatus(kit.Add(1, removed, removed, time.Hour), codec.StatusOK)
	mustHold(t, agent, canary)
	c.Answer(kit.Get(2, removed))
	c.ExpectStatus(kit.Remove(3, removed), codec.StatusOK)

	found := canary + "-found"
	other.ExpectStatus(kit.Add(1, found, strings.Repeat(canary, 1000), time.Hour), codec.StatusOK)
	c.Answer(kit.Get(2, found))
	c.Answer(kit.Get(2, found))
	c.ExpectStatus(kit.Remove(3, found), codec.StatusOK)

	c.ExpectStatus(kit.Add(1, canary+"-expired", canary, 50*time.Millisecond), codec.StatusOK)

	there := canary + "-there"
	other.ExpectStatus(kit.Add(1, there, "another session", time.Hour), codec.StatusOK)
	c.ExpectStatus(kit.Add(2, there, canary, time.Hour), codec.StatusAddExists)

	gone := canary + "-gone" // removed by another host
	c.ExpectStatus(kit.Add(1, gone, canary, time.Hour), codec.StatusOK)
	other.ExpectStatus(kit.Remove(2, gone), codec.StatusOK)
	c.ExpectStatus(kit.Get(3, gone), codec.StatusNotOK)

	_, _ = c.Close(), other.Close()
	// What stays is dropped after a minute in any case, which is not what this is about.
	kit.Wait(t, 30*time.Second, "memory without the sessions", func() bool { return !holds(t, agent, canary) })
	mustTellNothing(t, agent, canary)
}
