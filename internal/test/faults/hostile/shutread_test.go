package hostile

import (
	"slices"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/front"
	"distcache/internal/test/kit"
)

// TestH19WhoReadsNoMoreHarmsNobody has clients shut down their sockets for reading and stay,
// while large answers are on their way. The daemon closes each, for the socket's error or for
// the unread answers. Meanwhile others are served.
func TestH19WhoReadsNoMoreHarmsNobody(t *testing.T) {
	t.Parallel()
	for _, daemon := range []string{"dc_client", "dc_server"} {
		for _, network := range []string{"unix", "tcp"} {
			t.Run(daemon+", "+network, func(t *testing.T) {
				t.Parallel()
				jitter := kit.MeasureJitter(t)
				process, at := kit.NewRig(t).Server(listen(t, network)...)
				if daemon == "dc_client" {
					process, at = kit.NewRig(t).Client(at, listen(t, network)...)
				}
				addBig(t, at)
				readNoMore(t, jitter, process, at)
			})
		}
	}
}

func readNoMore(t *testing.T, jitter *kit.Jitter, process *kit.Process, at kit.Endpoint) {
	const clients, asked = 10, 300 // of 32 KB: more than sockets take
	neighbour := kit.Dial(t, at)
	neighbour.ExpectStatus(kit.Have(1, big), codec.StatusOK)
	post := process.Post()
	before := vitals(t, process).FDs
	began := time.Now()
	for range clients {
		shutRead(t, at, slices.Repeat(kit.Get(1, big), asked))
	}
	kit.Wait(t, patience, "end of those who read no more", func() bool {
		neighbour.ExpectStatus(kit.Have(1, big), codec.StatusOK)
		return vitals(t, process).FDs <= before
	})
	jitter.MustTake(t, "the last end", time.Since(began), 0, front.ReadTimeout+time.Second)
	t.Logf("all had ended after %v", time.Since(began))
	post.Check(kit.DefaultSlack())
}

// shutRead is a client that has asked, has read the beginning of the first answer, and
// reads no more.
func shutRead(t *testing.T, at kit.Endpoint, requests []byte) {
	t.Helper()
	c := kit.Dial(t, at)
	c.Send(requests)
	if _, err := c.Read(100); err != nil {
		t.Fatal(err)
	}
	closeRead(t, c)
}

// closeRead shuts the client's side for reading, and leaves it open.
func closeRead(t *testing.T, c *kit.Client) {
	t.Helper()
	if err := c.Socket().(interface{ CloseRead() error }).CloseRead(); err != nil {
		t.Fatal(err)
	}
}

// TestH19WhoReadsNoMoreBeforeItsAnswer shuts its side for reading before there is anything to
// read. A unix socket tells the daemon, which ends that client; TCP takes the answer.
func TestH19WhoReadsNoMoreBeforeItsAnswer(t *testing.T) {
	t.Parallel()
	const clients, takes = 20, 200 * time.Millisecond
	jitter := kit.MeasureJitter(t)
	up := kit.NewUpstream(t, kit.Loopback())
	up.After(1).Do(kit.Late(takes))
	up.Put(big, dataOf(bigSize), time.Hour)
	process, at := kit.NewRig(t).Client(up.Endpoint())
	neighbour := kit.Dial(t, at)
	neighbour.ExpectStatus(kit.Have(1, big), codec.StatusOK)
	before, asked := vitals(t, process).FDs, up.Asked()
	for range clients {
		c := kit.Dial(t, at)
		closeRead(t, c)
		c.Send(kit.Get(1, big))
	}
	kit.Wait(t, patience, "requests in flight", func() bool { return up.Asked() == asked+clients })
	began := time.Now()
	kit.Wait(t, patience, "end of those who read no more", func() bool { return vitals(t, process).FDs <= before })
	jitter.MustTake(t, "the last end", time.Since(began), 0, takes+freed)
	neighbour.ExpectStatus(kit.Have(1, big), codec.StatusOK)
	mustKeepItsLink(t, up)
}

// TestH10WhoReadsSlowlyIsNotEnded has clients ask for more than their sockets take and then read
// a little at a time. That takes longer than a client that reads nothing may stay. All the
// answers arrive.
func TestH10WhoReadsSlowlyIsNotEnded(t *testing.T) {
	t.Parallel()
	for network, sip := range map[string]int{"unix": 2 << 10, "tcp": 8 << 10} { // bytes
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			process, at := kit.NewRig(t).Server(listen(t, network)...)
			addBig(t, at)
			const asked = 300 // of 32 KB: more than sockets take
			c := kit.Dial(t, at)
			c.Send(slices.Repeat(kit.Get(1, big), asked))
			read := 0
			for began := time.Now(); time.Since(began) < front.ReadTimeout+time.Second; read += sip {
				if _, err := c.Read(sip); err != nil {
					t.Fatalf("got %v after %d bytes and %v; stderr:\n%s", err, read, time.Since(began), process.Stderr())
				}
				time.Sleep(100 * time.Millisecond) // the pace of the client
			}
			one := codec.MessageSize(bigSize)
			if _, err := c.Read(asked*one - read); err != nil {
				t.Fatalf("got %v, want the rest of the answers", err)
			}
			c.ExpectStatus(kit.Have(2, big), codec.StatusOK)
		})
	}
}
