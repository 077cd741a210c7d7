package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestForwardsUnchanged: dc_server sees each request as it was sent, but for the uid.
func TestForwardsUnchanged(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	_, at := startLinked(t, up.Endpoint())
	client := kit.Dial(t, at)
	patched := kit.Have(7, "patch level 0xbeef")
	patched[2], patched[3] = 0xbe, 0xef
	all := [][]byte{
		kit.Ask(7, codec.OpGet, nil),
		kit.Ask(7, codec.OpAdd, make([]byte, codec.AddOverhead)),
		kit.Ask(7, codec.OpRemove, make([]byte, codec.MaxPayload)),
		kit.Add(7, "session", strings.Repeat("d", 20000), time.Hour),
		patched,
	}
	for _, request := range all {
		client.Answer(request)
	}
	mustHaveForwarded(t, up, all...)
}

// TestSameUID: clients choose their uids as they like, all the same one too, and for all
// that they ask at a time. dc_server answers in no order.
func TestSameUID(t *testing.T) {
	t.Parallel()
	const clients = 1000
	rounds := 1
	if kit.Full() {
		rounds = 3
	}
	up := kit.NewUpstream(t, kit.Loopback())
	up.After(1).Do(answerAtRandom(t, 20*time.Millisecond))
	_, at := startLinked(t, up.Endpoint())
	data := func(n int) string { return strings.Repeat(fmt.Sprintf("%04d ", n), 1+n%600) }
	ask := func(n int) []byte { return kit.Get(1, fmt.Sprint("session ", n)) }
	var all []*kit.Client
	for n := range clients {
		up.Put(fmt.Sprint("session ", n), data(n), time.Hour)
		all = append(all, kit.Dial(t, at))
	}
	for range rounds {
		for n, client := range all {
			client.Send(ask(n), ask((n+1)%clients))
		}
		for n, client := range all {
			client.Expect(kit.Hit(1, data(n)), kit.Hit(1, data((n+1)%clients)))
		}
	}
	mustKeepItsLink(t, up)
}

// answerAtRandom answers honestly, each request after a time of its own, most at the most.
func answerAtRandom(t *testing.T, most time.Duration) kit.Fault {
	var mu sync.Mutex // the connections' goroutines share the source
	random := kit.Random(t)
	return func(x *kit.Exchange) {
		mu.Lock()
		defer mu.Unlock()
		x.Overtake(time.Duration(random.Int64N(int64(most))), x.Answer)
	}
}

// TestPipelineInOrder: the answers come in the order of the requests, even when
// dc_server takes longest for the first.
func TestPipelineInOrder(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	up.On(func(q kit.Request) bool { return q.ID == "session 0" }).Do(kit.Late(100 * time.Millisecond))
	_, at := startLinked(t, up.Endpoint())
	client := kit.Dial(t, at)
	client.SetPatience(patience)
	many := uint32(200)
	if kit.Full() {
		many = 1000
	}
	var asked, answers []byte
	for uid := range many {
		id, data := fmt.Sprint("session ", uid), fmt.Sprint("data ", uid)
		up.Put(id, data, time.Hour)
		asked = append(asked, kit.Get(uid, id)...)
		answers = append(answers, kit.Hit(uid, data)...)
		if uid%10 == 0 { // one that dc_client answers by itself (H12)
			asked = append(asked, kit.Ask(uid, codec.OpAdd, nil)...)
			answers = append(answers, kit.Status(uid, codec.OpAdd, codec.StatusAddCorrupt)...)
		}
	}
	sent := make(chan error, 1)
	go func() { sent <- client.Write(asked) }()
	client.Expect(answers)
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// TestFramesStayTogether: clients that send their frames bit by bit, at the same time,
// do not mix their messages up.
func TestFramesStayTogether(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	_, at := startLinked(t, up.Endpoint())
	const clients = 20
	data := func(n int) string { return strings.Repeat(fmt.Sprintf("%04d", n), 7000) }
	var running sync.WaitGroup
	for n := range clients {
		running.Go(func() {
			conn, err := kit.Connect(at)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			request := kit.Add(uint32(n), fmt.Sprint("session ", n), data(n), time.Hour)
			if err := conn.Trickle(request, 999, 5*time.Millisecond); err != nil {
				t.Error(err)
			}
			if m, err := conn.ReadMessage(); err != nil || m.UID != uint32(n) || m.Payload(nil)[0] != 0 {
				t.Errorf("client %d: got %v, %v, want OK", n, m, err)
			}
		})
	}
	running.Wait()
	client := kit.Dial(t, at)
	for n := range clients {
		if got := client.Answer(kit.Get(1, fmt.Sprint("session ", n))); string(got) != data(n) {
			t.Errorf("session %d: got %d other bytes, want the %d that were added", n, len(got), len(data(n)))
		}
	}
	if corrupt := up.Corrupt(); len(corrupt) > 0 {
		t.Errorf("got %v at dc_server, want nothing corrupt", corrupt)
	}
}

// TestShortAdds answers here what would make an old dc_server close everybody's
// connection.
func TestShortAdds(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	_, at := startLinked(t, up.Endpoint())
	client := kit.Dial(t, at)
	for length := range codec.AddOverhead {
		client.ExpectStatus(kit.Ask(1, codec.OpAdd, make([]byte, length)), codec.StatusAddCorrupt)
	}
	mustHaveForwarded(t, up)
	mustKeepItsLink(t, up)
}

// TestShortAddsWithoutServer: they are corrupt whether there is a dc_server or not.
func TestShortAddsWithoutServer(t *testing.T) {
	t.Parallel()
	_, at := start(t, nowhere())
	kit.Dial(t, at).ExpectStatus(kit.Ask(1, codec.OpAdd, []byte{1, 2, 3}), codec.StatusAddCorrupt)
}
