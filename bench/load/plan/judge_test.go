package plan

import (
	"testing"
	"time"

	"distcache/codec"
)

// The session of these tests: sent at 10 ms, answered at 20 ms, to live 1 s. So it is there for certain until 1010 ms and
// gone for certain after 1020 ms, but for 200 ppm of its life (0.2 ms).
const (
	sentAt, storedBy = int64(10 * time.Millisecond), int64(20 * time.Millisecond)
	millis           = int64(time.Millisecond)
)

func TestJudge(t *testing.T) {
	const slack = 5
	tests := map[string]struct {
		before   state
		op       codec.Op
		from, to int64 // milliseconds
		kind     AnswerKind
		spoilt   bool
		lossy    bool

		want  Outcome
		fault Fault
		after state
	}{
		"GET finds":                         {before: added, op: codec.OpGet, from: 30, to: 40, kind: Yes, want: Hit, after: added},
		"GET finds other data":              {before: added, op: codec.OpGet, from: 30, to: 40, kind: Yes, spoilt: true, want: wrong, fault: FaultData, after: added},
		"GET misses":                        {before: added, op: codec.OpGet, from: 30, to: 40, kind: No, want: wrong, fault: FaultLost, after: added},
		"GET misses, lossy":                 {before: added, op: codec.OpGet, from: 30, to: 40, kind: No, lossy: true, want: lost, after: neverAdded},
		"GET misses at the last moment":     {before: added, op: codec.OpGet, from: 900, to: 1004, kind: No, want: wrong, fault: FaultLost, after: added},
		"GET misses in the window":          {before: added, op: codec.OpGet, from: 900, to: 1006, kind: No, want: Miss, after: vanished},
		"GET finds in the window":           {before: added, op: codec.OpGet, from: 1025, to: 1100, kind: Yes, want: Hit, after: added},
		"GET finds other data, in window":   {before: added, op: codec.OpGet, from: 1025, to: 1100, kind: Yes, spoilt: true, want: wrong, fault: FaultData, after: added},
		"GET finds after the window":        {before: added, op: codec.OpGet, from: 1026, to: 1100, kind: Yes, want: wrong, fault: FaultFound, after: added},
		"GET finds after it, lossy":         {before: added, op: codec.OpGet, from: 1026, to: 1100, kind: Yes, lossy: true, want: wrong, fault: FaultFound, after: added},
		"GET misses after the window":       {before: added, op: codec.OpGet, from: 1026, to: 1100, kind: No, want: Miss, after: added},
		"GET finds what was never added":    {before: neverAdded, op: codec.OpGet, from: 30, to: 40, kind: Yes, want: wrong, fault: FaultFound, after: neverAdded},
		"GET finds what was removed":        {before: removed, op: codec.OpGet, from: 30, to: 40, kind: Yes, want: wrong, fault: FaultFound, after: removed},
		"GET finds what had vanished":       {before: vanished, op: codec.OpGet, from: 1015, to: 1016, kind: Yes, want: wrong, fault: FaultFound, after: vanished},
		"HAVE finds":                        {before: added, op: codec.OpHave, from: 30, to: 40, kind: Yes, want: Hit, after: added},
		"HAVE misses":                       {before: added, op: codec.OpHave, from: 30, to: 40, kind: No, want: wrong, fault: FaultLost, after: added},
		"HAVE finds nothing there":          {before: removed, op: codec.OpHave, from: 30, to: 40, kind: Yes, want: wrong, fault: FaultFound, after: removed},
		"REMOVE removes":                    {before: added, op: codec.OpRemove, from: 30, to: 40, kind: Yes, want: Hit, after: removed},
		"REMOVE removes in the window":      {before: added, op: codec.OpRemove, from: 1015, to: 1016, kind: Yes, want: Hit, after: removed},
		"REMOVE misses":                     {before: added, op: codec.OpRemove, from: 30, to: 40, kind: No, want: wrong, fault: FaultLost, after: added},
		"REMOVE misses in the window":       {before: added, op: codec.OpRemove, from: 1015, to: 1016, kind: No, want: Miss, after: vanished},
		"REMOVE removes what is not there":  {before: neverAdded, op: codec.OpRemove, from: 30, to: 40, kind: Yes, want: wrong, fault: FaultFound, after: neverAdded},
		"ADD adds":                          {before: neverAdded, op: codec.OpAdd, from: 30, to: 40, kind: Yes, want: Hit, after: added},
		"ADD adds again":                    {before: removed, op: codec.OpAdd, from: 30, to: 40, kind: Yes, want: Hit, after: added},
		"ADD is refused":                    {before: added, op: codec.OpAdd, from: 30, to: 40, kind: No, want: Miss, after: added},
		"ADD is refused in the window":      {before: added, op: codec.OpAdd, from: 1015, to: 1016, kind: No, want: Miss, after: added},
		"ADD adds in the window":            {before: added, op: codec.OpAdd, from: 1015, to: 1016, kind: Yes, want: Hit, after: added},
		"ADD is refused with nothing there": {before: removed, op: codec.OpAdd, from: 30, to: 40, kind: No, want: wrong, fault: FaultFound, after: removed},
		"ADD is refused after the window":   {before: added, op: codec.OpAdd, from: 1026, to: 1027, kind: No, want: wrong, fault: FaultFound, after: added},
		"ADD adds what is there":            {before: added, op: codec.OpAdd, from: 30, to: 40, kind: Yes, want: wrong, fault: FaultLost, after: added},
		"ADD adds what is there, lossy":     {before: added, op: codec.OpAdd, from: 30, to: 40, kind: Yes, lossy: true, want: lost, after: neverAdded},
	}
	c := DefaultConfig()
	p := New(&c)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			j := Judge{Plan: p, Lossy: test.lossy, Slack: slack * millis}
			s := Session{}
			s.add(&Operation{cut: 3, size: 100, millis: 1000}, p.tag(0, 0), sentAt, storedBy)
			s.state = test.before
			a := Answer{Kind: test.kind}
			if test.op == codec.OpGet && test.kind == Yes {
				a.Data = p.appendContent(nil, s.content())
				if test.spoilt {
					a.Data[50] ^= 1
				}
			}
			ask := Pending{Operation: Operation{Op: test.op, cut: 9, size: 60, millis: 2000}, Begun: test.from * millis}
			got, f := j.Judge(&s, &ask, &a, test.to*millis)
			if got != test.want || s.state != test.after {
				t.Errorf("got outcome %d and state %d, want %d and %d", got, s.state, test.want, test.after)
			}
			if (f != nil) != (test.fault != "") || f != nil && (f.Kind != test.fault || f.Reason == "") {
				t.Errorf("got fault %+v, want %q with a reason", f, test.fault)
			}
			if test.op == codec.OpAdd && test.want == Hit && s.size != 60 {
				t.Errorf("got data of %d bytes noted, want the 60 that were added", s.size)
			}
		})
	}
}

func TestWindowGrowsWithTheLife(t *testing.T) {
	s := Session{}
	s.add(&Operation{millis: uint32(codec.MaxTimeout.Milliseconds())}, 0, 0, 0)
	// Two clocks that differ by 200 ppm are two minutes apart after seven days.
	if got, want := time.Duration(s.latest-s.earliest), 2*codec.MaxTimeout/5000; got != want {
		t.Errorf("got a window of %v around the end of seven days, want %v", got, want)
	}
}

func TestRetiredSessionHasAnotherID(t *testing.T) {
	c := DefaultConfig()
	p := New(&c)
	s := Session{state: added}
	before := string(p.AppendID(nil, sessionName{generation: s.Generation}))
	s.Retire()
	if after := string(p.AppendID(nil, sessionName{generation: s.Generation})); after == before || s.state != neverAdded {
		t.Errorf("got ID %x and state %d after %x, want another ID that was never added", after, s.state, before)
	}
}
