package engine

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"distcache/engine/deadline"
	"distcache/engine/poll"
	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// mustNotBeEarly holds that what came so late was not due later. How late a timer is depends on
// what else the machine does.
func mustNotBeEarly(t *testing.T, what string, late time.Duration) {
	t.Helper()
	if late < 0 {
		t.Errorf("%s: expired %v before it was due", what, -late)
	} else if late > kit.Promptly {
		kit.TooSlow(t, "%s: expired %v after it was due", what, late)
	}
}

// alarm schedules a timed whose Expire notes the time and sets Never. Each time goes to
// the channel.
func (srv *server) alarm(t *testing.T) (*timed, <-chan time.Duration) {
	t.Helper()
	rang := make(chan time.Duration, 16)
	td := &timed{at: deadline.Never}
	td.expired = func(now time.Duration) {
		if now < td.at {
			t.Errorf("expired at %v, %v early", now, td.at-now)
		}
		td.at = deadline.Never
		rang <- now
	}
	srv.do(func() { srv.Schedule(td) })
	return td, rang
}

// TestDeadlines holds that Expire is called when it is due, and no earlier.
func TestDeadlines(t *testing.T) {
	const ms = time.Millisecond
	rows := []struct {
		name  string
		moves []time.Duration // where the deadline is put, one after the other, from now
		want  time.Duration
	}{
		{"once", []time.Duration{30 * ms}, 30 * ms},
		{"in the past", []time.Duration{-time.Hour}, 0},
		{"moved earlier", []time.Duration{time.Hour, 30 * ms}, 30 * ms},
		{"moved later", []time.Duration{5 * ms, 100 * ms}, 100 * ms},
		{"moved later and later", []time.Duration{5 * ms, 10 * ms, 20 * ms, 100 * ms}, 100 * ms},
		{"later, then earlier", []time.Duration{20 * ms, time.Hour, 40 * ms}, 40 * ms},
		{"taken back and set again", []time.Duration{5 * ms, deadline.Never, 60 * ms}, 60 * ms},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			srv := serve(t, &script{}, limits{})
			td, rang := srv.alarm(t)
			for scale := time.Duration(1); !expiresOnce(t, srv, td, rang, row.moves, row.want, scale); scale *= 4 {
				t.Logf("a deadline came before it was moved: again, with all times %d times as long", 4*scale)
			}
		})
	}
}

// expiresOnce puts the deadline of td at each of the moves, all times multiplied by scale, and holds that Expire is called at
// want. It judges nothing and returns false when the machine was so slow that a deadline came before it was moved.
func expiresOnce(t *testing.T, srv *server, td *timed, rang <-chan time.Duration, moves []time.Duration, want, scale time.Duration) bool {
	t.Helper()
	var start time.Duration
	srv.do(func() { start = srv.Now() })
	late := false
	for i, at := range moves {
		srv.do(func() {
			late = late || i > 0 && (len(rang) > 0 || td.at <= srv.Now())
			if td.at = at; at != deadline.Never {
				td.at = start + at*scale
			}
		})
	}
	if late {
		srv.do(func() { td.at = deadline.Never })
		for len(rang) > 0 {
			<-rang
		}
		return false
	}
	if late := receive(t, rang, "call of Expire") - start - want*scale; want > 0 {
		mustNotBeEarly(t, "call of Expire", late)
	}
	srv.turns()
	if n := len(rang); n != 0 {
		t.Errorf("expired %d times more, want once", n)
	}
	return true
}

// TestDeadlineSetInACall moves the deadline in each kind of call there is: the loop looks at
// it without being asked.
func TestDeadlineSetInACall(t *testing.T) {
	const after = 20 * time.Millisecond
	rows := []struct {
		name   string
		script func(s *script, set func())
		begin  func(srv *server, p peer, set func())
	}{
		{"Post", func(*script, func()) {}, func(srv *server, _ peer, set func()) { _ = srv.Post(set) }},
		{"Opened", func(s *script, set func()) { s.opened = func(int) { set() } },
			func(*server, peer, func()) {}},
		{"Received", func(s *script, set func()) { s.received = func(int, []byte) { set() } },
			func(_ *server, p peer, _ func()) { p.send("x") }},
		{"Ended", func(s *script, set func()) { s.ended = func(c int) { set(); s.close(c) } },
			func(_ *server, p peer, _ func()) { p.close() }},
		{"TurnEnded", func(s *script, set func()) { s.turnEnded = set },
			func(srv *server, _ peer, _ func()) { _ = srv.Post(srv.EndTurn) }},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s := &script{}
			srv := serve(t, s, limits{})
			td, rang := srv.alarm(t)
			var at time.Duration
			once := false
			set := func() {
				if !once {
					once = true
					at = srv.Now() + after
					td.at = at
				}
			}
			srv.do(func() { row.script(s, set) })
			p := srv.connect()
			row.begin(srv, p, set)
			mustNotBeEarly(t, "call of Expire", receive(t, rang, "call of Expire")-at)
			if row.name != "Ended" {
				p.close()
			}
			srv.turns()
		})
	}
}

// TestO25WhatCameIsTakenBeforeADeadline has a deadline come, and then bytes, while the loop is
// held up: the bytes are taken first, as they may be what was waited for.
func TestO25WhatCameIsTakenBeforeADeadline(t *testing.T) {
	s := &script{}
	srv := serve(t, s, limits{})
	td, rang := srv.alarm(t)
	p := srv.connect()
	heard := make(chan time.Duration, 1)
	srv.do(func() { s.received = func(int, []byte) { heard <- td.at } })
	srv.do(func() { td.at = srv.Now() + time.Millisecond })
	srv.do(func() {
		time.Sleep(20 * time.Millisecond)
		p.send("x")
	})
	if at := receive(t, heard, "bytes"); at == deadline.Never {
		t.Error("got the deadline met before what came was taken, want it behind")
	}
	receive(t, rang, "call of Expire")
	p.close()
	srv.turns()
}

// TestManyDeadlines has some due and some not: only those that are due are called.
func TestManyDeadlines(t *testing.T) {
	const count = 20
	srv := serve(t, &script{}, limits{})
	var rang [count]<-chan time.Duration
	var alarms [count]*timed
	for i := range alarms {
		alarms[i], rang[i] = srv.alarm(t)
	}
	var start time.Duration
	srv.do(func() {
		start = srv.Now()
		for i, td := range alarms {
			if i%2 == 0 {
				td.at = start + time.Duration(i)*5*time.Millisecond
			} else {
				td.at = start + time.Hour
			}
		}
	})
	for i, c := range rang {
		if i%2 == 0 {
			due := start + time.Duration(i)*5*time.Millisecond
			mustNotBeEarly(t, fmt.Sprint("alarm ", i), receive(t, c, "call of Expire")-due)
		} else if len(c) > 0 {
			t.Errorf("alarm %d expired an hour early", i)
		}
	}
}

// TestDeadlineThatStaysInThePast is a Timed with much to do, a little of it in each call:
// clients are served in between.
func TestDeadlineThatStaysInThePast(t *testing.T) {
	srv := serve(t, &script{}, limits{})
	calls := 0
	td := &timed{at: 0}
	td.expired = func(time.Duration) { calls++ }
	srv.do(func() { srv.Schedule(td) })
	p := srv.connect()
	const rounds = 100
	for i := range rounds {
		p.send(fmt.Sprint(i))
		p.expect(fmt.Sprint(i))
	}
	srv.do(func() {
		// A call takes two polls, for the timer and for the end of its turn; a round of
		// the client takes one or more.
		if calls < rounds/4 {
			t.Errorf("expired %d times in %d rounds, want it again and again", calls, rounds)
		}
		td.at = deadline.Never
	})
	kit.MustIdle(t, kit.OwnCPU, 0.02)
	p.close()
}

// TestPostFromMany posts from 16 goroutines while clients are served.
func TestPostFromMany(t *testing.T) {
	const posters, each = 16, 300
	srv := serve(t, &script{}, limits{})
	sum := 0 // the loop's
	var all sync.WaitGroup
	for range posters {
		all.Go(func() {
			for range each {
				if err := srv.Post(func() { sum++ }); err != nil {
					t.Errorf("Post: %v", err)
				}
			}
		})
	}
	p := srv.connect()
	for i := range 50 {
		p.send(fmt.Sprint(i))
		p.expect(fmt.Sprint(i))
	}
	all.Wait()
	srv.do(func() {
		if sum != posters*each {
			t.Errorf("got %d functions run, want %d", sum, posters*each)
		}
	})
	p.close()
}

// TestStop ends the loop from wherever Stop is called.
func TestStop(t *testing.T) {
	rows := []struct {
		name string
		stop func(srv *server, p peer)
	}{
		{"another goroutine", func(srv *server, _ peer) { srv.Stop() }},
		{"another goroutine, twice", func(srv *server, _ peer) { srv.Stop(); srv.Stop() }},
		{"many goroutines", func(srv *server, _ peer) {
			var all sync.WaitGroup
			for range 8 {
				all.Go(srv.Stop)
			}
			all.Wait()
		}},
		{"Post", func(srv *server, _ peer) { _ = srv.Post(srv.Stop) }},
		{"Received", func(srv *server, p peer) {
			srv.do(func() { srv.script.received = func(int, []byte) { srv.Stop() } })
			p.send("x")
		}},
		{"Ended", func(srv *server, p peer) {
			srv.do(func() { srv.script.ended = func(c int) { srv.script.close(c); srv.Stop() } })
			p.close()
		}},
		{"TurnEnded", func(srv *server, _ peer) {
			srv.do(func() { srv.script.turnEnded = srv.Stop; srv.EndTurn() })
		}},
		{"Expire", func(srv *server, _ peer) {
			srv.do(func() {
				td := &timed{at: srv.Now()}
				td.expired = func(time.Duration) { td.at = deadline.Never; srv.Stop() }
				srv.Schedule(td)
			})
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			srv := serve(t, &script{}, limits{})
			p := srv.connect()
			p.send("hello")
			p.expect("hello")
			row.stop(srv, p)
			if err := srv.wait(); err != nil {
				t.Errorf("Run: got %v, want nil", err)
			}
			if err := srv.Post(func() { t.Error("ran after the end") }); !errors.Is(err, poll.ErrStopped) {
				t.Errorf("Post: got %v, want ErrStopped", err)
			}
			srv.Stop()
			if row.name != "Ended" {
				p.close()
			}
		})
	}
}

// TestStopBeforeRun: what was posted before runs, then Run returns.
func TestStopBeforeRun(t *testing.T) {
	before := len(kit.OwnDescriptors(t))
	l, err := NewLoop()
	if err != nil {
		t.Fatal(err)
	}
	ran := false
	if err := l.Post(func() { ran = true }); err != nil {
		t.Error(err)
	}
	l.Stop()
	if err := l.Run(); err != nil || !ran {
		t.Errorf("got %v, ran %v, want nil, true", err, ran)
	}
	if after := len(kit.OwnDescriptors(t)); after != before {
		t.Errorf("got %d descriptors, want %d as before", after, before)
	}
}

// TestStopUnderLoad stops while clients come, ask and go and goroutines post.
func TestStopUnderLoad(t *testing.T) {
	srv := serve(t, &script{}, limits{})
	var asked, posted atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				p, err := dial(t, srv.at)
				if err != nil {
					return // nobody listens any more
				}
				_, _ = unix.Write(p.fd, []byte("x")) // EPIPE once the server has gone
				got, _ := p.read(1)
				p.close()
				if got != "x" {
					return
				}
				asked.Add(1)
			}
		})
		all.Go(func() {
			for srv.Post(func() {}) == nil {
				posted.Add(1)
				time.Sleep(10 * time.Microsecond)
			}
		})
	}
	waitFor(t, "load", func() bool { return asked.Load() > 200 && posted.Load() > 200 })
	_ = srv.Post(srv.listener.Stop)
	srv.Stop()
	if err := srv.wait(); err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
	srv.closeClients()
	all.Wait()
}

// TestNow is the time since the loop was made.
func TestNow(t *testing.T) {
	start := time.Now()
	srv := serve(t, &script{}, limits{})
	var first, second time.Duration
	srv.do(func() { first = srv.Now() })
	srv.do(func() { second = srv.Now() })
	if first < 0 || second < first || second > time.Since(start) {
		t.Errorf("got %v, then %v, want them in order and at most %v", first, second, time.Since(start))
	}
}

// TestT01LoopRunsOnTheMonotonicClock: setting the wall clock moves nothing. A time that has
// a monotonic reading differs from itself without it.
func TestT01LoopRunsOnTheMonotonicClock(t *testing.T) {
	srv := serve(t, &script{}, limits{})
	srv.do(func() {
		if srv.epoch == srv.epoch.Round(0) {
			t.Error("got an epoch without a monotonic reading, want one: times since then follow the wall clock")
		}
	})
}
