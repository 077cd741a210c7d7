package agent

import (
	"errors"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/daemon/metrics"
	"distcache/internal/front"
	"distcache/upstream"
)

// figuresOf is what the rig's counters read as.
func (r *rig) figuresOf() *metrics.Set {
	set := metrics.NewSetAt(time.Time{}.Add(r.now))
	r.Agent.Snapshot(r.now).Collect(set)
	return set
}

// TestAnswersAreCounted: each answer by its operation and status, whoever gave it.
func TestAnswersAreCounted(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1)
	say := func(op codec.Op, payload, answer string) {
		r.send(1, codec.AppendMessage(nil, codec.Request, 7, op, []byte(payload)))
		r.answer(r.seenOne(), answer)
	}
	say(codec.OpGet, "id", "a session")
	say(codec.OpGet, "id", "\x01")
	say(codec.OpGet, "id", "\x01")
	say(codec.OpHave, "id", "\x00")
	say(codec.OpAdd, "\x00\x00\x01\x00\x00\x00\x00\x02iddata", "\x00")
	say(codec.OpAdd, "\x00\x00\xff\xff\x00\x00\x00\x02iddata", "\x65")
	say(codec.OpRemove, "id", "\x63")
	r.send(1, codec.AppendMessage(nil, codec.Request, 7, codec.OpAdd, []byte("short")))
	r.Link().Broken(upstream.ErrClosed, r.now)
	r.ask(1, 7, "id")
	set := r.figuresOf()
	for _, row := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{metrics.Answers, []string{"GET", "OK"}, 1}, {metrics.Answers, []string{"GET", "NOTOK"}, 2}, {metrics.Answers, []string{"GET", "DISCONNECTED"}, 1},
		{metrics.Answers, []string{"HAVE", "OK"}, 1}, {metrics.Answers, []string{"ADD", "OK"}, 1}, {metrics.Answers, []string{"ADD", "EXISTS"}, 1},
		{metrics.Answers, []string{"GET", "OK", "distcache"}, 1}, {metrics.Requests, []string{"", "distcache"}, 9},
		{metrics.Answers, []string{"ADD", "CORRUPT"}, 1}, {metrics.Answers, []string{"REMOVE", "other"}, 1}, {metrics.Answers, nil, 9},
		{metrics.Requests, nil, 9}, {metrics.Brief, nil, 1}, {Disconnected, []string{"no-connection"}, 1},
		{"distcache_link_losses_total", nil, 1}, {"distcache_link_faults_total", []string{"closed"}, 1}, {LinkUp, nil, 0},
	} {
		if got := set.Total(row.name, row.labels...); got != row.want {
			t.Errorf("%s %q: got %v, want %v", row.name, row.labels, got, row.want)
		}
	}
	if sent := set.Total("distcache_link_sent_bytes_total"); sent == 0 {
		t.Error("got no bytes sent, want them counted")
	}
}

// TestBatchesAreCounted: how many requests left together.
func TestBatchesAreCounted(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1, 2, 3)
	r.ask(1, 7, "alone")
	for _, c := range []int{1, 2, 3} {
		r.Received(c, codec.AppendMessage(nil, codec.Request, 8, codec.OpGet, []byte("together")), r.now)
	}
	r.TurnEnded(r.now)
	r.TurnEnded(r.now) // without a request
	if got := r.Agent.Snapshot(r.now).server.Link.Batches; got.Count() != 2 || got.Sum != 4 || got.Buckets[0] != 1 || got.Buckets[2] != 1 {
		t.Errorf("got %+v, want one of 1 and one of 3", got)
	}
}

// spoken is a protocol of another name.
type spoken struct {
	front.Wire
	name string
}

func (s spoken) Name() string { return s.name }

// TestFrontsAreCountedApart: each front by its protocol, and a total is that of all.
func TestFrontsAreCountedApart(t *testing.T) {
	r := upRig(t, testConfig())
	other := r.AddFront(spoken{front.NewDistcache(), "other"}, r, r.pool)
	r.come(1)
	r.ask(1, 7, "id")
	r.answer(r.seenOne(), "\x01")
	r.Link().Broken(upstream.ErrClosed, r.now)
	other.Opened(2, r.now)
	for _, wire := range [][]byte{codec.AppendMessage(nil, codec.Request, 7, codec.OpGet, []byte("id")),
		codec.AppendMessage(nil, codec.Request, 7, codec.OpAdd, []byte("\x00\x00\x01\x00\x00\x00\x00\x02iddata"))} {
		other.Received(2, wire, r.now)
	}
	set := r.figuresOf()
	for _, row := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{metrics.Requests, []string{"GET", "distcache"}, 1}, {metrics.Requests, []string{"GET", "other"}, 1}, {metrics.Requests, []string{"GET"}, 2},
		{metrics.Answers, []string{"GET", "NOTOK", "distcache"}, 1}, {metrics.Answers, []string{"GET", "DISCONNECTED", "other"}, 1},
		{metrics.Answers, []string{"ADD", "DISCONNECTED", "distcache"}, 0}, {metrics.Brief, []string{"distcache"}, 0}, {metrics.Brief, []string{"other"}, 1},
		{"distcache_clients_accepted_total", []string{"distcache"}, 1}, {"distcache_clients_accepted_total", []string{"other"}, 1},
	} {
		if got := set.Total(row.name, row.labels...); got != row.want {
			t.Errorf("%s %q: got %v, want %v", row.name, row.labels, got, row.want)
		}
	}
}

// TestTimesAreCounted: the round trip has what dc_server answered, also late; the answer what clients waited for.
func TestTimesAreCounted(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1, 2)
	r.ask(1, 7, "id")
	inTime := r.seenOne()
	r.at(30 * ms)
	r.answer(inTime, "\x01")
	r.ask(2, 8, "id")
	late := r.seenOne()
	r.at(30*ms + testTimeout) // answered DISCONNECTED
	r.at(330 * ms)
	r.answer(late, "\x01")
	set := r.figuresOf()
	for _, row := range []struct {
		name string
		q    float64
		want time.Duration
	}{{RoundTrip, 0, 30 * ms}, {RoundTrip, 1, 300 * ms}, {Answered, 0, 30 * ms}, {Answered, 1, testTimeout}} {
		times := set.Times(row.name)
		got, ok := times.Quantile(row.q)
		if !ok || times.Count() != 2 || got < row.want || got > row.want+row.want/8 {
			t.Errorf("%s, quantile %v: got %v of %d, want %v of 2", row.name, row.q, got, times.Count(), row.want)
		}
	}
}

// TestStatusOfTheLink: the page reads whether it is up, since when, and what was wrong last.
func TestStatusOfTheLink(t *testing.T) {
	config := testConfig()
	config.Name = func(string) string { return "IP:cache:9001" }
	r := newRig(t, config)
	r.now = 2 * time.Second
	if got := r.figuresOf().Status[0]; got.Ready || got.Text != "Connecting to dc_server at IP:cache:9001" || got.For != r.now {
		t.Errorf("before the first connection: got %+v", got)
	}
	r.comeUp()
	r.now = 10 * time.Second
	if got := r.figuresOf().Status[0]; !got.Ready || got.Text != "Connected to dc_server at IP:cache:9001" || got.For != 8*time.Second || got.String() != got.Text {
		t.Errorf("up: got %+v", got)
	}
	r.Link().Broken(errors.New("read: connection reset by peer"), r.now)
	r.now += 5 * time.Second
	if got := r.figuresOf().Status[0]; got.Ready || got.For != 5*time.Second || got.ErrorAgo != 5*time.Second ||
		got.String() != "No connection to dc_server at IP:cache:9001 (read: connection reset by peer). Requests are answered DISCONNECTED" {
		t.Errorf("down again: got %+v", got)
	}
}

func TestLateAnswersAreAMistake(t *testing.T) {
	for _, row := range []struct {
		late, all uint64
		want      string
	}{
		{0, 1000, ""}, {9, 20, ""}, {10, 100_000, ""},
		{20, 1000, "20 of 1000 requests were not answered in time"},
	} {
		then, now := &Snapshot{}, &Snapshot{}
		now.server.Mux.TimedOut, now.server.Mux.Forwarded = row.late, row.all
		p := metrics.Span{Then: metrics.NewSetAt(time.Time{}), Now: metrics.NewSetAt(time.Time{}.Add(time.Minute))}
		then.Collect(p.Then)
		now.Collect(p.Now)
		if got := lateAnswers(p); got != row.want {
			t.Errorf("%d of %d: got %q, want %q", row.late, row.all, got, row.want)
		}
	}
}

func TestFaultsOfTheLink(t *testing.T) {
	for why, want := range map[error]fault{
		upstream.ErrClosed: faultClosed, upstream.ErrSilent: faultSilent, upstream.ErrAttemptTimeout: faultSilent, upstream.ErrProbe: faultProbe,
		&codec.CorruptError{Field: "operation"}: faultCorrupt, upstream.ErrUnsolicited: faultCorrupt, errors.New("no route to host"): faultSystem,
	} {
		if got := faultOf(why); got != want {
			t.Errorf("%v: got %v, want %v", why, got, want)
		}
	}
}

func TestSeveralAddressesAreAMistake(t *testing.T) {
	for places, want := range map[int]string{0: "", 1: "", 3: "3 addresses of one IP version"} {
		config := testConfig()
		config.Addresses = func() int { return places }
		set := newRig(t, config).figuresOf()
		if got := severalAddresses(metrics.Span{Then: set, Now: set}); got != want {
			t.Errorf("%d addresses: got %q, want %q", places, got, want)
		}
	}
}

// TestTotalsOutliveAMove: the figures of the server that was moved away from are not lost, and the page knows the new one.
func TestTotalsOutliveAMove(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1)
	r.ask(1, 7, "id")
	r.answer(r.seenOne(), "\x01")
	next := &wire{rig: r}
	r.now = time.Second
	r.move(next, func(bool, time.Duration) {})
	link := next.link
	link.Connected(r.now)
	link.Received(copy(link.Buffer(), codec.AppendStatus(nil, 0, codec.OpHave, codec.StatusNotOK)), r.now)
	set := r.figuresOf()
	if got := set.Total("distcache_forwarded_total"); got != 1 || set.Times(RoundTrip).Count() != 1 || set.Total("distcache_link_connects_total") != 2 {
		t.Errorf("after the move: got %v forwarded, %d round trips, %v connections, want 1, 1, 2", got, set.Times(RoundTrip).Count(),
			set.Total("distcache_link_connects_total"))
	}
	if got := set.Status[0]; !got.Ready || got.For != 0 {
		t.Errorf("got %+v, want it up since now", got)
	}
}
