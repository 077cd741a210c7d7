package chaos

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// plantedDelay is far beyond the request timeout.
const plantedDelay = time.Second

// TestPlantedFaultsAreFound has clients ask a server that lies. The check must find each lie and
// call it by its own name. It must find no lie in an honest server.
func TestPlantedFaultsAreFound(t *testing.T) {
	const rarely = 40 // one in so many requests of a connection
	tests := []struct {
		name  string
		plant func(u *kit.Upstream) kit.Fault
		op    codec.Op // whose answers are changed
		want  violation
	}{
		{"stale read", staleRead, codec.OpGet, notLinearizable},
		{"lost add", lostAdd, codec.OpAdd, notLinearizable},
		{"remove without effect", undoneRemove, codec.OpRemove, notLinearizable},
		{"another session's data", otherSession, codec.OpGet, crossed},
		{"the answer to another uid", plain(kit.WrongUID), codec.OpGet, crossed},
		{"the answer to another operation", plain(kit.WrongOp), codec.OpHave, crossed},
		{"double answer", plain(kit.Duplicate), codec.OpHave, doubled},
		{"a byte of another's", plain(flipped), codec.OpGet, leaked},
		{"no answer", plain(kit.StopReading), codec.OpGet, unanswered},
		{"connection closed", plain(kit.CloseUnanswered), codec.OpGet, hungUp},
		{"a status that is none", plain(kit.Reply([]byte{77})), codec.OpAdd, malformed},
		{"two bytes of status", plain(kit.Reply([]byte{0, 0})), codec.OpRemove, malformed},
		{"late answer", plain(kit.Delay(plantedDelay)), codec.OpRemove, late},
		{"honest", nil, 0, numViolations},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u := kit.NewUpstream(t, kit.Unix(t))
			if tt.plant != nil {
				u.On(func(q kit.Request) bool { return q.Op == tt.op && q.Number%rarely == 0 }).Do(tt.plant(u))
			}
			l := interrogate(t, u, tt.want)
			if tt.want == numViolations {
				l.judge(t)
				return
			}
			if l.counts[tt.want].Load() == 0 {
				t.Errorf("got it unnoticed in %d requests, want it found as %v", l.requests(), tt.want)
			}
		})
	}
}

// interrogate has honest clients ask u until that violation is found, or for a while, and
// gives what they found. A double answer shows as crossed where another request follows.
func interrogate(t *testing.T, u *kit.Upstream, want violation) *ledger {
	random := kit.Random(t)
	c := clock{time.Now()}
	f := &field{
		clock: c, kills: &kills{clock: c}, ledger: &ledger{}, tardy: &tardy{limit: requestTimeout + grace},
		patience: patience, quit: make(chan struct{}),
	}
	if want == unanswered {
		f.patience = time.Second
	}
	machine := &lag{} // never late: what is planted is found, and others beside it do not matter
	if want == numViolations {
		machine = measureLag(t, c)
	}
	k := newChecker(f.kills, &kills{clock: c}, f.ledger)
	s := newShelf(t.Name(), 3, k.add)
	var crowd sync.WaitGroup
	for i := range 4 {
		one := &client{
			field: f, manner: manner{honest: true, depth: 1 + i, stay: 50}, number: i, at: u.Endpoint(), shelf: s,
			members: func(writer uint32) bool { return writer < 4 }, random: rand.New(rand.NewPCG(random.Uint64(), 0)),
		}
		crowd.Go(one.run)
	}
	enough := int64(1000)
	if want != numViolations {
		enough = 200_000
	}
	kit.Within(time.Minute, func() bool {
		found := want == late && f.tardy.worst() >= plantedDelay || want < numViolations && f.ledger.counts[want].Load() > 0
		return found || f.ledger.requests() > enough
	})
	close(f.quit)
	crowd.Wait()
	s.finish()
	k.finish()
	if want != numViolations || kit.TimesJudged() {
		f.tardy.judge(machine, f.ledger)
	}
	return f.ledger
}

func plain(f kit.Fault) func(*kit.Upstream) kit.Fault {
	return func(*kit.Upstream) kit.Fault { return f }
}

// flipped changes a session's last byte. A status it leaves alone: that would be another.
func flipped(x *kit.Exchange) {
	if len(x.Answer) == codec.HeaderSize+1 {
		kit.Pass(x)
		return
	}
	kit.FlipByte(x)
}

// staleRead finds what was there once, whatever became of it.
func staleRead(u *kit.Upstream) kit.Fault {
	var mu sync.Mutex
	seen := map[string][]byte{}
	return func(x *kit.Exchange) {
		mu.Lock()
		defer mu.Unlock()
		if before, ok := seen[x.Request.ID]; ok {
			x.Write(kit.Answer(x.Request.UID, codec.OpGet, before))
			return
		}
		if data := payload(x); len(data) > 1 {
			seen[x.Request.ID] = data
		}
		kit.Pass(x)
	}
}

// otherSession finds a session under the ID of another.
func otherSession(u *kit.Upstream) kit.Fault {
	var mu sync.Mutex
	var id string
	var data []byte
	return func(x *kit.Exchange) {
		mu.Lock()
		defer mu.Unlock()
		if data != nil && id != x.Request.ID {
			x.Write(kit.Answer(x.Request.UID, codec.OpGet, data))
			return
		}
		if found := payload(x); len(found) > 1 {
			id, data = x.Request.ID, found
		}
		kit.Pass(x)
	}
}

func lostAdd(u *kit.Upstream) kit.Fault {
	return func(x *kit.Exchange) {
		u.Lose(x.Request.ID)
		kit.Pass(x)
	}
}

func undoneRemove(u *kit.Upstream) kit.Fault {
	return func(x *kit.Exchange) {
		u.Put(x.Request.ID, string(canary(x.Request.ID, value{1, 1 << 30}, 100)), time.Hour)
		kit.Pass(x)
	}
}

// payload is that of the honest answer.
func payload(x *kit.Exchange) []byte {
	a := codec.NewAssembler(codec.Response)
	m, err := a.Next(x.Answer)
	if err != nil {
		return nil
	}
	return m.Payload(nil)
}
