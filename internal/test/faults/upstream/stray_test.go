package upstream

import (
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// hint is what dc_client logs of answers that match no request.
const hint = "sends answers that match no request"

// TestU04U05StrayAnswersAreLoggedOnce: dc_client drops stray answers and logs them once. Clients
// get their own answers.
func TestU04U05StrayAnswersAreLoggedOnce(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		fault kit.Fault
	}{
		{"twice", kit.Duplicate},
		{"never asked for", kit.Unsolicited(3)},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			up := kit.NewUpstream(t, kit.Loopback())
			up.Put("session", "data", time.Hour)
			process, at := kit.NewRig(t).Client(up.Endpoint(), "-timeout=10000", millis("-retry", retry))
			before := up.Conns() // the first attempt may have run out of time
			if strings.Contains(process.Stderr(), hint) {
				t.Errorf("got the hint before there was a reason; stderr:\n%s", process.Stderr())
			}
			up.On(func(q kit.Request) bool { return q.ID == "session" }).Do(row.fault)
			client := kit.Dial(t, at)
			for uid := range uint32(200) {
				client.Send(kit.Get(uid, "session"))
				client.Expect(kit.Hit(uid, "data"))
			}
			client.ExpectQuiet(10 * time.Millisecond)
			process.WaitStderr(patience, hint)
			if n := strings.Count(process.Stderr(), hint); n != 1 {
				t.Errorf("got the hint %d times, want once", n)
			}
			if after := up.Conns(); after != before {
				t.Errorf("got %d connections, want no more than the %d before", after, before)
			}
		})
	}
}

// TestU11FloodIsBounded: a server floods each connection with valid answers to no request.
// dc_client ends the connection each time, and its memory does not grow.
func TestU11FloodIsBounded(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	process, at := startLinked(t, up.Endpoint())
	client := kit.Dial(t, at)
	client.AwaitStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	post := process.Post()
	up.On(func(q kit.Request) bool { return q.Number > 1 }).Do(kit.Flood)
	began := up.Conns()
	kit.Wait(t, patience, "connections that were given up, and the reason", func() bool {
		client.Answer(kit.Have(2, "nobody's"))
		return up.Conns() >= began+4 && strings.Contains(process.Stderr(), "too many unsolicited answers")
	})
	up.Honest()
	slack := slack()
	slack.RSS = 8 << 20
	post.Check(slack)
}
