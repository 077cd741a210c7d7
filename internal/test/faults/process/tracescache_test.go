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
	for _, row := range []struct {
		name   string
		happen func(c, other *kit.Client)
	}{
		{"removed", func(c, _ *kit.Client) {
			c.ExpectStatus(kit.Add(1, canary, canary, time.Hour), codec.StatusOK)
			mustHold(t, agent, canary)
			c.Answer(kit.Get(2, canary))
			c.ExpectStatus(kit.Remove(3, canary), codec.StatusOK)
		}},
		{"large, found and removed", func(c, other *kit.Client) {
			other.ExpectStatus(kit.Add(1, canary, strings.Repeat(canary, 1000), time.Hour), codec.StatusOK)
			c.Answer(kit.Get(2, canary))
			c.Answer(kit.Get(2, canary))
			c.ExpectStatus(kit.Remove(3, canary), codec.StatusOK)
		}},
		{"expired", func(c, _ *kit.Client) {
			c.ExpectStatus(kit.Add(1, canary, canary, 50*time.Millisecond), codec.StatusOK)
		}},
		{"there already", func(c, other *kit.Client) {
			other.ExpectStatus(kit.Add(1, canary, "another session", time.Hour), codec.StatusOK)
			c.ExpectStatus(kit.Add(2, canary, canary, time.Hour), codec.StatusAddExists)
			c.ExpectStatus(kit.Remove(3, canary), codec.StatusOK)
		}},
		{"removed by another host", func(c, other *kit.Client) {
			c.ExpectStatus(kit.Add(1, canary, canary, time.Hour), codec.StatusOK)
			other.ExpectStatus(kit.Remove(2, canary), codec.StatusOK)
			c.ExpectStatus(kit.Get(3, canary), codec.StatusNotOK)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, other := kit.Dial(t, at), kit.Dial(t, otherAt)
			row.happen(c, other)
			_, _ = c.Close(), other.Close()
			kit.Wait(t, patience, "memory without the session", func() bool { return !holds(t, agent, canary) })
		})
	}
	mustTellNothing(t, agent, canary)
}
