package load

import (
	"distcache/bench/load/plan"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec"
	"distcache/codec/address"
)

// loopOf returns a loop and the other ends of its clients' connections. Each client has sent one request.
func loopOf(t *testing.T, clients int) (*loop, []int) {
	t.Helper()
	c := plan.DefaultConfig()
	c.Address, c.Clients, c.Operations, c.KeepAlive = address.Address{Kind: address.Unix, Path: "/none"}, clients, 1, true
	c.Verify = plan.VerifyFrames
	l, err := newLoop(t.Context(), &c, unixTarget(c.Address.Path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.closeAll)
	others := make([]int, clients)
	for i := range l.clients {
		connected, theirs := pair(t)
		t.Cleanup(func() { closeSocket(theirs) })
		others[i] = theirs
		c := &l.clients[i]
		c.fd, c.link, c.quota = connected.fd, open, 1
		l.begin(c)
		c.unsent = 0
		l.await(c)
	}
	return l, others
}

// reply answers the client's request.
func reply(t *testing.T, l *loop, number, other int) {
	t.Helper()
	p := l.pending(&l.clients[number], 0)
	if _, err := unix.Write(other, codec.AppendStatus(nil, p.UID, p.Op, codec.StatusNotOK)); err != nil {
		t.Fatal(err)
	}
}

func TestOvertakenClientsMoveIntoTheEpollSet(t *testing.T) {
	l, others := loopOf(t, 3*pollWindow)
	const fast = 2*pollWindow + 3
	reply(t, l, fast, others[fast])
	l.lookBeyond()
	l.carryOut()
	if got := l.clients[fast].count; got != 0 {
		t.Errorf("the answer behind the window: got %d requests unanswered, want it to be seen", got)
	}
	for i := range l.clients {
		want := inWaiting
		if i < pollWindow {
			want = inEpoll
		}
		if got := l.clients[i].place; got != want && i != fast {
			t.Errorf("client %d: got place %d, want %d", i, got, want)
		}
	}
	reply(t, l, 5, others[5])
	l.gather(pollWindow)
	l.poll(int64(time.Second))
	l.carryOut()
	if got := l.clients[5].count; got != 0 || l.watched != pollWindow-1 {
		t.Errorf("an answer in the set: got %d requests unanswered and %d in the set, want 0 and %d", got, l.watched, pollWindow-1)
	}
}

func TestStallMovesNobody(t *testing.T) {
	l, _ := loopOf(t, 3*pollWindow)
	l.progress()
	first := l.patience
	for range 3 {
		l.lookBeyond()
	}
	if l.watched != 0 || l.patience != min(8*first, choresEvery) {
		t.Errorf("got %d in the epoll set and patience %v, want none and %v", l.watched, time.Duration(l.patience), time.Duration(8*first))
	}
}

func TestLingeringConnectionIsLookedAt(t *testing.T) {
	l, others := loopOf(t, 1)
	l.config.KeepAlive = false
	reply(t, l, 0, others[0])
	l.askOldest()
	l.carryOut()
	if got := len(l.lingering); got != 1 || l.clients[0].fd != noFD {
		t.Fatalf("got %d connections left open, want the first", got)
	}
	// The second answer comes now that the client is done with the first.
	if _, err := unix.Write(others[0], []byte("more")); err != nil {
		t.Fatal(err)
	}
	l.checkLingering(plan.Never)
	if l.violation == nil || l.violation.Fault != plan.FaultSecond {
		t.Errorf("got %v, want %q", l.violation, plan.FaultSecond)
	}
}
