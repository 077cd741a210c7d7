package upstream

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// tolerated is how many bytes at the end of a frame may be missing for the flawed server to
// take it as whole.
const tolerated = 4

// flawed is a dc_server with the flaw of the old one: it answers a request of which the
// last bytes have not come from what stood in its memory there, again and again until they
// come. It has every session: the data is the ID.
type flawed struct {
	listener net.Listener
	running  sync.WaitGroup
}

func startFlawed(t *testing.T) *flawed {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &flawed{listener: l}
	quit := make(chan struct{})
	f.running.Go(func() {
		for {
			sock, err := l.Accept()
			if err != nil {
				return
			}
			f.running.Go(func() { <-quit; _ = sock.Close() })
			f.running.Go(func() { serveFlawed(sock) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		close(quit)
		f.running.Wait()
	})
	return f
}

func (f *flawed) at() kit.Endpoint {
	return kit.Endpoint{Network: "tcp", Address: f.listener.Addr().String()}
}

func serveFlawed(sock net.Conn) {
	b := make([]byte, 1<<16) // never cleared: what stood there before is answered from
	for n := 0; ; {
		// While it owes nothing it waits; else it comes back to what it has at once.
		_ = sock.SetReadDeadline(time.Time{})
		if n > 0 {
			_ = sock.SetReadDeadline(time.Now().Add(50 * time.Microsecond))
		}
		got, err := sock.Read(b[n:])
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		n += got
		for n >= codec.HeaderSize {
			h, err := codec.ParseHeader(b[:codec.HeaderSize], codec.Request)
			whole := codec.HeaderSize + h.DataLen
			if err != nil || n < whole-tolerated {
				break
			}
			if _, err := sock.Write(flawedAnswer(h, b[codec.HeaderSize:whole])); err != nil {
				return
			}
			if n < whole {
				break // and the same again
			}
			n = copy(b, b[whole:n])
		}
	}
}

func flawedAnswer(h codec.Header, id []byte) []byte {
	if h.Op == codec.OpGet {
		return kit.Answer(h.UID, h.Op, id)
	}
	return kit.Status(h.UID, h.Op, codec.StatusNotOK)
}

// TestU17OldServerBehindALinkThatCuts: an old dc_server repeats answers when the link cuts its
// requests. Each request gets one answer, in time. dc_client neither ends nor hangs, and takes
// no repeated answer for the answer to the next request. The first answer may be wrong: nothing
// tells it from a right one. Once the link cuts no more requests, all answers are right again.
func TestU17OldServerBehindALinkThatCuts(t *testing.T) {
	t.Parallel()
	jitter := kit.MeasureJitter(t)
	link := kit.NewProxy(t, startFlawed(t).at())
	limit := timeout
	if !kit.TimesJudged() {
		limit = 5 * time.Second
	}
	process, at := kit.NewRig(t).Client(link.Endpoint(), millis("-timeout", limit), millis("-retry", retry))
	post := process.Post()
	link.Up.Chunks(37, 3) // of the 40 bytes that each request has
	link.Up.Gap(2 * time.Millisecond)
	client := kit.Dial(t, at)
	const asks = 150
	ids := []string{"A session whose ID is LONG", "a session whose ID is long"}
	right := 0
	for uid := range uint32(asks) {
		began := time.Now()
		m, err := client.Do(kit.Get(uid, ids[uid%2]))
		if err != nil || m.UID != uid || m.Op != codec.OpGet {
			t.Fatalf("got %v of %#x, %v, want the answer to GET of %#x", m.Op, m.UID, err, uid)
		}
		jitter.MustTake(t, "answer", time.Since(began), 0, limit+kit.Promptly)
		switch got := string(m.Payload(nil)); got {
		case ids[uid%2]:
			right++
		case ids[1-uid%2]: // what the flaw makes up begins like the request
			t.Fatalf("got %q, the answer to the request before, want that to %q", got, ids[uid%2])
		}
	}
	client.ExpectQuiet(20 * time.Millisecond)
	t.Logf("%d of %d answers were right", right, asks)
	process.WaitStderr(patience, hint)

	link.Up.Chunks()
	link.Up.Gap(0)
	link.Close()
	kit.Wait(t, patience, "right answers", func() bool {
		return string(client.Answer(kit.Get(1, "a session"))) == "a session"
	})
	for uid := range uint32(100) {
		client.Send(kit.Get(uid, "another one"))
		client.Expect(kit.Hit(uid, "another one"))
	}
	post.Check(slack())
}
