package process

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestO25AnswersThatCameAreDelivered holds dc_client still while more answers come than it
// reads at a time, for longer than requests may take: none of them is told DISCONNECTED.
func TestO25AnswersThatCameAreDelivered(t *testing.T) {
	t.Parallel()
	const clients, data, rounds, timeout = 60, 32_000, 10, 500 * time.Millisecond
	up := kit.NewUpstream(t, kit.Loopback())
	up.Put("big", strings.Repeat("x", data), time.Hour)
	p := programs()[0]
	p.args = []string{"-server", up.Endpoint().String(), "-timeout", "500"}
	process, at := p.startLinked(t)
	var all []*kit.Client
	for range clients {
		c := kit.Dial(t, at)
		c.SetPatience(patience)
		all = append(all, c)
	}
	for range rounds { // the kernel gives the connection larger buffers
		askForBig(all)
		disconnected(t, all)
	}
	up.On(func(kit.Request) bool { return true }).Times(1).Do(kit.Delay(timeout / 2))
	before := up.Asked()
	askForBig(all)
	kit.Wait(t, patience, "requests at dc_server", func() bool { return up.Asked() == before+clients })
	process.Signal(syscall.SIGSTOP)
	time.Sleep(2 * timeout) // it is held, and that is not waited for
	process.Signal(syscall.SIGCONT)
	if n := disconnected(t, all); n > 0 {
		t.Errorf("got %d of %d requests answered DISCONNECTED, want their answers", n, clients)
	}
	mustEnd(t, process)
}

func askForBig(clients []*kit.Client) {
	for _, c := range clients {
		c.Send(kit.Get(1, "big"))
	}
}

// disconnected reads an answer for each, and counts those that are not dc_server's.
func disconnected(t *testing.T, clients []*kit.Client) (n int) {
	t.Helper()
	for _, c := range clients {
		m, err := c.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if s, err := codec.ParseStatus(m); err == nil && s == codec.StatusDisconnected {
			n++
		}
	}
	return n
}
