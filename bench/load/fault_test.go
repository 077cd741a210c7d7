package load

import (
	"bytes"
	"distcache/bench/load/plan"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// plant makes a server lie in one way.
type plant func(u *kit.Upstream)

// planted are the lies, and what they must be called.
func planted() map[string]struct {
	plant plant
	want  plan.Fault
} {
	every := func(f kit.Fault) plant {
		return func(u *kit.Upstream) { u.On(always).Do(f) }
	}
	return map[string]struct {
		plant plant
		want  plan.Fault
	}{
		"flips a byte of the data":     {flipData, plan.FaultData},
		"cuts the data short":          {cutData, plan.FaultData},
		"drops an answer":              {dropOne, plan.FaultMissing},
		"holds back the last byte":     {every(kit.HoldBack(1, time.Hour)), plan.FaultMissing},
		"answers with another uid":     {every(kit.WrongUID), plan.FaultUID},
		"answers another operation":    {every(kit.WrongOp), plan.FaultOperation},
		"answers twice":                {every(kit.Duplicate), plan.FaultSecond},
		"forgets sessions":             {forget, plan.FaultLost},
		"lets sessions expire early":   {expireEarly, plan.FaultLost},
		"lets sessions expire late":    {expireLate, plan.FaultFound},
		"finds what is not there":      {findAll, plan.FaultFound},
		"keeps what is removed":        {keepRemoved, plan.FaultFound},
		"adds what is there":           {addTwice, plan.FaultLost},
		"refuses what is not there":    {refuse, plan.FaultFound},
		"answers with an odd status":   {oddStatus, plan.FaultStatus},
		"speaks another version":       {every(kit.WrongVersion), plan.FaultCorrupt},
		"answers with requests":        {every(kit.AsRequest), plan.FaultCorrupt},
		"sends too long a frame":       {every(kit.Oversized), plan.FaultCorrupt},
		"sends 17 frames":              {every(kit.SeventeenFrames), plan.FaultCorrupt},
		"changes uid within a message": {every(kit.MixedUIDs), plan.FaultCorrupt},
		"speaks HTTP":                  {every(kit.HTTP), plan.FaultCorrupt},
	}
}

func TestPlantedFaultsAreFound(t *testing.T) {
	for name, test := range planted() {
		for _, keepAlive := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/keep-alive=%t", name, keepAlive), func(t *testing.T) {
				t.Parallel()
				server := serve(t)
				test.plant(server)
				c := faultConfig(t, server, keepAlive)
				if test.want == plan.FaultMissing {
					c.AnswerLimit = 300 * time.Millisecond
				}
				v := violates(t, c)
				if v.Fault != test.want {
					t.Errorf("got %v, want %q", v, test.want)
				}
				checkDump(t, v)
			})
		}
	}
}

// faultConfig is a run that finds every lie: it makes every kind of request, and lasts until sessions expire.
func faultConfig(t *testing.T, server *kit.Upstream, keepAlive bool) plan.Config {
	c := configFor(t, server.Endpoint())
	c.Clients, c.KeepAlive = 3, keepAlive
	c.Operations, c.Duration = 0, 5*time.Second
	c.Timeout, c.TimeVar, c.Slack = 400*time.Millisecond, 0, 20*time.Millisecond
	c.AnswerLimit = patience
	// Each session is asked for five times in a second, and removed every other second: so most expire.
	c.Rate, c.Sessions = 3000, 200
	c.Mix = plan.Mix{Add: 3, Get: 3, Have: 3, Remove: 1}
	return c
}

// checkDump checks that a dump says what is wrong and holds the exchange.
func checkDump(t *testing.T, v *plan.Violation) {
	t.Helper()
	var b bytes.Buffer
	if err := v.Dump(&b); err != nil {
		t.Fatal(err)
	}
	dump := b.String()
	uid := fmt.Sprintf("request_uid 0x%08x", v.UID)
	for _, want := range []string{string(v.Fault), v.Reason, v.Op.String(), uid, fmt.Sprintf("%x", v.ID), fmt.Sprintf("seed        %d", v.Seed)} {
		if !strings.Contains(dump, want) {
			t.Errorf("got a dump without %q:\n%s", want, dump)
		}
	}
	if !bytes.Contains(v.Request, v.ID) {
		t.Errorf("got request %x, want it to hold the ID %x", v.Request, v.ID)
	}
}

// isHit reports whether the answer is a GET's that found data.
func isHit(x *kit.Exchange) bool {
	return x.Request.Op == codec.OpGet && len(x.Answer) > codec.HeaderSize+1
}

func always(kit.Request) bool { return true }

func of(op codec.Op) func(kit.Request) bool {
	return func(q kit.Request) bool { return q.Op == op }
}

func flipData(u *kit.Upstream) {
	u.On(of(codec.OpGet)).Do(func(x *kit.Exchange) {
		if isHit(x) {
			kit.FlipByte(x)
		} else {
			kit.Pass(x)
		}
	})
}

func cutData(u *kit.Upstream) {
	u.On(of(codec.OpGet)).Do(func(x *kit.Exchange) {
		if isHit(x) {
			x.Write(kit.Answer(x.Request.UID, codec.OpGet, x.Answer[codec.HeaderSize:codec.HeaderSize+7]))
		} else {
			kit.Pass(x)
		}
	})
}

func dropOne(u *kit.Upstream) {
	var mu sync.Mutex
	asked := 0
	u.On(always).Do(func(x *kit.Exchange) {
		mu.Lock()
		defer mu.Unlock()
		if asked++; asked != 100 {
			kit.Pass(x)
		}
	})
}

func forget(u *kit.Upstream) {
	u.On(of(codec.OpAdd)).Do(func(x *kit.Exchange) {
		u.Lose(x.Request.ID)
		kit.Pass(x)
	})
}

func expireEarly(u *kit.Upstream) {
	u.On(of(codec.OpAdd)).Do(func(x *kit.Exchange) {
		time.AfterFunc(250*time.Millisecond, func() { u.Lose(x.Request.ID) })
		kit.Pass(x)
	})
}

func expireLate(u *kit.Upstream) {
	u.On(of(codec.OpAdd)).Do(func(x *kit.Exchange) {
		if x.Answer[codec.HeaderSize] == byte(codec.StatusOK) {
			a, _ := codec.ParseAdd(message(x).Payload(nil))
			u.Put(x.Request.ID, string(a.Data), a.Timeout+200*time.Millisecond)
		}
		kit.Pass(x)
	})
}

func message(x *kit.Exchange) *codec.Message {
	requests := codec.NewAssembler(codec.Request)
	m, _ := requests.Next(x.Request.Wire)
	return &m
}

func findAll(u *kit.Upstream) { u.On(of(codec.OpHave)).Status(codec.StatusOK) }

func addTwice(u *kit.Upstream) { u.On(of(codec.OpAdd)).Status(codec.StatusOK) }

func refuse(u *kit.Upstream) { u.On(of(codec.OpAdd)).Status(codec.StatusAddExists) }

func oddStatus(u *kit.Upstream) { u.On(of(codec.OpRemove)).Status(codec.StatusAddIDLen) }

// keepRemoved puts back what is removed.
func keepRemoved(u *kit.Upstream) {
	var mu sync.Mutex
	data := map[string]string{}
	u.On(always).Do(func(x *kit.Exchange) {
		mu.Lock()
		defer mu.Unlock()
		done := x.Answer[codec.HeaderSize] == byte(codec.StatusOK)
		switch {
		case x.Request.Op == codec.OpAdd && done:
			a, _ := codec.ParseAdd(message(x).Payload(nil))
			data[x.Request.ID] = string(a.Data)
		case x.Request.Op == codec.OpRemove && done:
			u.Put(x.Request.ID, data[x.Request.ID], time.Hour)
		}
		kit.Pass(x)
	})
}

// TestSwappedUIDs lets two clients get each other's answer, once.
func TestSwappedUIDs(t *testing.T) {
	server := serve(t)
	var mu sync.Mutex
	var held *kit.Exchange
	asked := 0
	server.On(always).Do(func(x *kit.Exchange) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		switch {
		case asked < 50 || asked > 50 && held == nil:
			kit.Pass(x)
		case held == nil:
			held = x
		default:
			held.Write(x.Answer)
			x.Write(held.Answer)
			held = nil
		}
	})
	c := faultConfig(t, server, true)
	c.Rate = 0
	v := violates(t, c)
	if v.Fault != plan.FaultUID {
		t.Errorf("got %v, want %q", v, plan.FaultUID)
	}
	checkDump(t, v)
}

// TestSecondAnswerLater sends a second answer after the first has been read.
func TestSecondAnswerLater(t *testing.T) {
	server := serve(t)
	server.On(always).Do(func(x *kit.Exchange) {
		kit.Pass(x)
		x.Overtake(3*time.Millisecond, x.Answer)
	})
	v := violates(t, faultConfig(t, server, false))
	if v.Fault != plan.FaultSecond {
		t.Errorf("got %v, want %q", v, plan.FaultSecond)
	}
}

// TestSecondAnswerAtTheEnd sends a second answer after the last one of a connection that is kept. The run waits for it
// for lingerTime.
func TestSecondAnswerAtTheEnd(t *testing.T) {
	server := serve(t)
	c := configFor(t, server.Endpoint())
	c.KeepAlive, c.Operations = true, 10
	last, asked := make(chan *kit.Exchange, 1), time.Time{}
	server.On(func(q kit.Request) bool { return q.Number == 10 }).Do(func(x *kit.Exchange) {
		asked = time.Now()
		last <- x
		kit.Pass(x)
	})
	c.OnEnd = func() {
		x := <-last
		if waited := time.Since(asked); waited < time.Duration(lingerTime) {
			t.Errorf("got the end %v after the last request, want %v and more", waited, time.Duration(lingerTime))
		}
		x.Write(x.Answer)
		<-x.Sent()
	}
	if v := violates(t, c); v.Fault != plan.FaultSecond {
		t.Errorf("got %v, want %q", v, plan.FaultSecond)
	}
}

// TestSecondAnswerBeforeTheNext sends a second answer in place of the next one.
func TestSecondAnswerBeforeTheNext(t *testing.T) {
	server := serve(t)
	var before []byte
	server.On(always).Do(func(x *kit.Exchange) {
		if x.Request.Number == 10 {
			x.Write(before)
		}
		before = x.Answer
		kit.Pass(x)
	})
	c := configFor(t, server.Endpoint())
	c.KeepAlive = true
	if v := violates(t, c); v.Fault != plan.FaultSecond || v.Index != 9 {
		t.Errorf("got %v, want %q by operation 9", v, plan.FaultSecond)
	}
}
