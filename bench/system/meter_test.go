package main

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"distcache/bench/load"
	"distcache/bench/load/plan"
	"distcache/bench/process"
	"distcache/bench/record"
	"distcache/codec"
	"distcache/codec/address"
)

// The meter's points come in order: the first request, the end of the preload, the last answer.
func TestMeter(t *testing.T) {
	h := newTestHarness(t, options{})
	st, err := h.newStage(h.builds.server(1000))
	if err != nil {
		t.Fatal(err)
	}
	defer st.end()
	var progress plan.Progress
	var points []string
	note := func(point string) func() { return func() { points = append(points, point) } }
	m := &meter{Protocol: plan.Distcache(), progress: &progress,
		first: note("first"), preloaded: note("preloaded"), drained: note("drained")}
	c := h.baseLoad(1)
	c.Address, c.Protocol, c.Progress = st.address(), func() plan.Protocol { return m }, &progress
	c.KeepAlive, c.Clients, c.Sessions, c.Preload = true, 10, 20, true
	c.OnMeasure = note("measured")
	r, err := load.Run(t.Context(), c)
	if err != nil || r.Failed() > 0 {
		t.Fatalf("got %v", err)
	}
	if want := []string{"first", "preloaded", "measured", "drained"}; !slices.Equal(points, want) {
		t.Errorf("got %v, want %v", points, want)
	}
	if m.unanswered != 0 {
		t.Errorf("got %d unanswered, want none", m.unanswered)
	}
}

// An answer that is not whole does not count.
func TestMeterCountsWholeAnswers(t *testing.T) {
	var progress plan.Progress
	m := &meter{Protocol: plan.Distcache(), progress: &progress, first: func() {}, drained: func() { t.Error("drained, want the run not to be draining") }}
	r := plan.Request{Asked: plan.Asked{Op: codec.OpGet, UID: 7}, ID: make([]byte, 32)}
	m.AppendRequest(nil, &r)
	whole := codec.AppendStatus(nil, 7, codec.OpGet, codec.StatusNotOK)
	if _, _, err := m.ParseAnswer(whole[:5], r.Asked); err != codec.ErrShort || m.unanswered != 1 {
		t.Errorf("part of an answer: got %v and %d unanswered, want %v and 1", err, m.unanswered, codec.ErrShort)
	}
	if _, _, err := m.ParseAnswer(whole, r.Asked); err != nil || m.unanswered != 0 {
		t.Errorf("an answer: got %v and %d unanswered, want none", err, m.unanswered)
	}
}

// A violation is in the sample, not the end of the run.
func TestViolationIsRecorded(t *testing.T) {
	h := newTestHarness(t, options{})
	floor := h.builds.floor()
	st, err := h.newStage(floor)
	if err != nil {
		t.Fatal(err)
	}
	defer st.end()
	c := h.baseLoad(1)
	c.Mix = plan.Mix{Remove: 1, Add: 1} // the floor answers NOTOK to an ADD, which no ADD can have
	m := measurement{stage: st, config: c}
	var sample record.Sample
	if err := m.run(t.Context(), &sample); err != nil {
		t.Fatal(err)
	}
	if sample.Error == "" || sample.Usable() {
		t.Errorf("got %+v, want what was wrong", sample)
	}
}

func TestChargeLeavesTheRest(t *testing.T) {
	p := []*process.Process{{Command: process.Command{Name: "a", Env: []string{traceCollections}}}, {Command: process.Command{Name: "b"}}}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	from := accounts{processes: []account{{cpu: ms(100), gcs: 3}, {cpu: ms(50)}}, harness: ms(1000)}
	to := accounts{processes: []account{{cpu: ms(400), gcs: 5}, {cpu: ms(150)}}, harness: ms(1500)}
	from.machine.Work, to.machine.Work = ms(10_000), ms(11_200)
	from.machine.Steal, to.machine.Steal = ms(10), ms(40)
	var s record.Sample
	charge(&s, p, from, to)
	if got := s.Processes[0]; got.Name != "a" || got.CPU != 0.3 || got.Collections == nil || *got.Collections != 2 {
		t.Errorf("got %+v, want a with 0.3 s and 2 collections", got)
	}
	if got := s.Processes[1]; got.Name != "b" || got.CPU != 0.1 || got.Collections != nil {
		t.Errorf("got %+v, want b with 0.1 s and no count of collections", got)
	}
	// 1200 ms in all, of which 300, 100 and 500 are accounted for.
	if s.OthersCPU != 0.3 || s.Steal != 0.03 {
		t.Errorf("got %v s of others and %v s stolen, want 0.3 and 0.03", s.OthersCPU, s.Steal)
	}
}

// Nobody listens: the stage says so instead of waiting for ever.
func TestAskNobody(t *testing.T) {
	s := &stage{target: &target{protocol: plan.Distcache}, directory: filepath.Join(t.TempDir(), "none")}
	if _, err := s.connect(); err == nil {
		t.Error("got a connection, want an error")
	}
	if got := s.address(); got.Kind != address.Unix {
		t.Errorf("got %v, want a unix socket", got)
	}
}
