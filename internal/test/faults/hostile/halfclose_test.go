package hostile

import (
	"slices"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// idleShare is how much of a CPU a daemon may use while all its clients wait.
const idleShare = 0.1

// TestH18HalfClosedClientsGetTheirAnswer has clients ask and send the end of their stream.
// dc_server takes its time, in which dc_client has nothing to do; then each gets its answer,
// and the end.
func TestH18HalfClosedClientsGetTheirAnswer(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			waitHalfClosed(t, network)
		})
	}
}

func waitHalfClosed(t *testing.T, network string) {
	const clients, takes = 100, 1500 * time.Millisecond
	jitter := kit.MeasureJitter(t)
	up := kit.NewUpstream(t, kit.Loopback())
	up.After(1).Do(kit.Late(takes))
	process, at := kit.NewRig(t).Client(up.Endpoint(), listen(t, network)...)
	neighbour := kit.Dial(t, at)
	neighbour.ExpectStatus(kit.Have(0, "nobody's"), codec.StatusNotOK)
	post, before := process.Post(), up.Asked()
	var waiting []*kit.Client
	began := time.Now()
	for n := range uint32(clients) {
		waiting = append(waiting, askAndFinish(t, at, kit.Have(n, "nobody's")))
	}
	kit.Wait(t, patience, "requests in flight", func() bool { return up.Asked() == before+clients })
	sent := time.Now()
	mustIdle(t, process, neighbour, takes/2)
	for n, c := range waiting {
		c.Expect(kit.Status(uint32(n), codec.OpHave, codec.StatusNotOK))
		if n == 0 {
			jitter.MustTake(t, "the first answer", time.Since(began), takes, takes+time.Since(sent)+kit.Promptly)
		}
		c.ExpectClosed()
		_ = c.Close()
	}
	post.Check(kit.DefaultSlack())
	mustKeepItsLink(t, up)
}

// askAndFinish is a client that has asked and sent the end of its stream.
func askAndFinish(t *testing.T, at kit.Endpoint, requests []byte) *kit.Client {
	t.Helper()
	c := kit.Dial(t, at)
	c.Send(requests)
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	return c
}

// mustIdle holds that the daemon uses next to no CPU for that long, in which nothing is
// sent to a neighbour either, who asks nothing.
func mustIdle(t *testing.T, process *kit.Process, neighbour *kit.Client, span time.Duration) {
	t.Helper()
	before, began := cpu(t, process), time.Now()
	neighbour.ExpectQuiet(span)
	used, took := cpu(t, process)-before, time.Since(began)
	t.Logf("%v of CPU used in %v", used, took)
	if float64(used) > idleShare*float64(took) {
		kit.TooSlow(t, "got %v of CPU used in %v of waiting, want %.0f %% at most", used, took, idleShare*100)
	}
}

// TestH18HalfClosedClientsReadWhenTheyLike: clients send the end of their stream and leave more
// answers unread than the socket takes. The daemon holds the rest, and the end of the stream,
// which it has seen already, does not wake it again.
func TestH18HalfClosedClientsReadWhenTheyLike(t *testing.T) {
	t.Parallel()
	const clients, asked = 4, 12
	_, server := kit.NewRig(t).Server()
	addBig(t, server)
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			process, at := kit.NewRig(t).Client(server, listen(t, network)...)
			neighbour := kit.Dial(t, at)
			neighbour.ExpectStatus(kit.Have(0, "nobody's"), codec.StatusNotOK)
			var lazy []*kit.Client
			for range clients {
				lazy = append(lazy, askAndFinish(t, at, slices.Repeat(kit.Get(1, big), asked)))
			}
			neighbour.ExpectStatus(kit.Have(0, "nobody's"), codec.StatusNotOK)
			mustIdle(t, process, neighbour, 500*time.Millisecond)
			for _, c := range lazy {
				c.Expect(slices.Repeat(kit.Hit(1, dataOf(bigSize)), asked))
				c.ExpectClosed()
			}
		})
	}
}
