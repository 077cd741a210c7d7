package chaos

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"distcache/codec"
)

// outcome is what a client was told of a request.
type outcome uint8

const (
	yes     outcome = iota // stored, found, removed
	no                     // there already (ADD), not there
	refused                // DISCONNECTED
	lost                   // the connection closed without an answer
)

func (o outcome) String() string { return [...]string{"yes", "no", "DISCONNECTED", "closed"}[o] }

// operation is one request about one session ID.
type operation struct {
	client    int
	op        codec.Op
	value     value // what an ADD stores, or a GET found
	outcome   outcome
	call, ret int64 // of the run's clock
	// epoch is, of a request that failed, that of the newest dc_server that can still
	// carry it out. dc_client sends a request once, on a connection that ends with its
	// dc_server; so what was DISCONNECTED cannot reach one that is started later.
	epoch int
}

// anyEpoch is that of a request whose bytes may lie unread in a socket still.
const anyEpoch = math.MaxInt

// doubtful reports whether it may have happened, and what then changes.
func (o *operation) doubtful() bool {
	return o.outcome >= refused && (o.op == codec.OpAdd || o.op == codec.OpRemove)
}

// restart is the end of the n-th dc_server, from 1, as a step of the model.
type restart struct{ n int }

// session is the model's state: one session ID in dc_server.
type session struct {
	epoch int
	value value // none: it is not there
}

// linearizable is porcupine's verdict on what was seen of one session ID that was new.
func linearizable(operations []operation, k *kills, limit time.Duration) porcupine.CheckResult {
	if len(operations) == 0 {
		return porcupine.Ok
	}
	first, last := int64(math.MaxInt64), int64(0)
	for _, o := range operations {
		first, last = min(first, o.call), max(last, o.ret)
	}
	epoch, killed := k.during(first, last)
	model := porcupine.Model{
		Init: func() any { return session{epoch: epoch} },
		Step: func(state, input, _ any) (bool, any) { return step(state.(session), input) },
	}
	return porcupine.CheckOperationsTimeout(model, events(operations, epoch, killed), limit)
}

// events puts operations and restarts into the checker's form. A request that failed and
// changes nothing tells nothing. One that may have happened may do so any time later.
func events(operations []operation, epoch int, killed []kill) []porcupine.Operation {
	all := make([]porcupine.Operation, 0, len(operations)+len(killed))
	for i := range operations {
		o := &operations[i]
		ret := o.ret
		if o.doubtful() {
			ret = math.MaxInt64
		} else if o.outcome >= refused {
			continue
		}
		all = append(all, porcupine.Operation{ClientId: o.client, Input: o, Call: o.call, Return: ret})
	}
	for i, one := range killed {
		all = append(all, porcupine.Operation{Input: restart{epoch + i + 1}, Call: one.begin, Return: one.end})
	}
	return all
}

// step is whether that can happen to the session, and what it is then.
func step(s session, input any) (bool, session) {
	if r, ok := input.(restart); ok {
		return s.epoch == r.n-1, session{epoch: r.n}
	}
	o := input.(*operation)
	if o.doubtful() {
		return true, s.perhaps(o)
	}
	there := s.value != value{}
	switch {
	case o.op == codec.OpAdd && o.outcome == yes:
		return !there, session{s.epoch, o.value}
	case o.op == codec.OpAdd:
		return there, s
	case o.op == codec.OpGet && o.outcome == yes:
		return s.value == o.value, s
	case o.op == codec.OpRemove && o.outcome == yes:
		return there, session{epoch: s.epoch}
	}
	return there == (o.outcome == yes), s
}

// perhaps is the session after a request that failed was carried out. That it never was
// is the same as that it was after all the others.
func (s session) perhaps(o *operation) session {
	switch {
	case s.epoch > o.epoch:
		return s
	case o.op == codec.OpRemove:
		return session{epoch: s.epoch}
	case s.value == value{}:
		return session{s.epoch, o.value}
	}
	return s
}

func (o *operation) String() string {
	return fmt.Sprintf("%v–%v client %d: %v %v: %v", time.Duration(o.call), time.Duration(o.ret), o.client, o.op, o.value, o.outcome)
}

// TestLinearizable checks which histories the model accepts. Times are in any unit.
func TestLinearizable(t *testing.T) {
	a, b := value{1, 1}, value{2, 1}
	add := func(call, ret int64, v value, o outcome) operation {
		return operation{op: codec.OpAdd, call: call, ret: ret, value: v, outcome: o}
	}
	found := func(call, ret int64, v value) operation {
		return operation{op: codec.OpGet, call: call, ret: ret, value: v, outcome: yes}
	}
	is := func(op codec.Op, call, ret int64, o outcome) operation {
		return operation{op: op, call: call, ret: ret, outcome: o}
	}
	failed := func(o operation, epoch int) operation {
		o.outcome, o.epoch = refused, epoch
		return o
	}
	get, have, remove := codec.OpGet, codec.OpHave, codec.OpRemove
	tests := []struct {
		name string
		all  []operation
		kill []kill
		want bool
	}{
		{"a new session ID has no session", []operation{is(get, 1, 2, no), is(have, 3, 4, no), is(remove, 5, 6, no)}, nil, true},
		{"found, and nobody added it", []operation{found(1, 2, a)}, nil, false},
		{"found after it was added", []operation{add(1, 2, a, yes), found(3, 4, a), is(have, 5, 6, yes)}, nil, true},
		{"lost add", []operation{add(1, 2, a, yes), is(get, 3, 4, no)}, nil, false},
		{"lost add, by HAVE", []operation{add(1, 2, a, yes), is(have, 3, 4, no)}, nil, false},
		{"stale read after a remove", []operation{add(1, 2, a, yes), is(remove, 3, 4, yes), found(5, 6, a)}, nil, false},
		{"stale read of the one before", []operation{add(1, 2, a, yes), is(remove, 3, 4, yes), add(5, 6, b, yes), found(7, 8, a)}, nil, false},
		{"overlapping, either", []operation{add(1, 9, a, yes), is(get, 2, 3, no), found(4, 5, a)}, nil, true},
		{"overlapping, and back", []operation{add(1, 9, a, yes), found(2, 3, a), is(get, 4, 5, no)}, nil, false},
		{"a second ADD is refused", []operation{add(1, 2, a, yes), add(3, 4, b, no), found(5, 6, a)}, nil, true},
		{"a second ADD is taken", []operation{add(1, 2, a, yes), add(3, 4, b, yes)}, nil, false},
		{"there already, and nobody added it", []operation{add(1, 2, a, no)}, nil, false},
		{"both of two at once", []operation{add(1, 9, a, yes), add(2, 8, b, yes)}, nil, false},
		{"removed twice", []operation{add(1, 2, a, yes), is(remove, 3, 8, yes), is(remove, 4, 9, yes)}, nil, false},
		{"a failed add did happen", []operation{failed(add(1, 2, a, 0), 0), found(3, 4, a)}, nil, true},
		{"a failed add happens late", []operation{failed(add(1, 2, a, 0), 0), is(get, 3, 4, no), found(5, 6, a)}, nil, true},
		{"a failed add did not happen", []operation{failed(add(1, 2, a, 0), 0), add(3, 4, b, yes), found(5, 6, b)}, nil, true},
		{"a failed add happens twice", []operation{failed(add(1, 2, a, 0), 0), found(3, 4, a), is(remove, 5, 6, yes), found(7, 8, a)}, nil, false},
		{"a failed add happens before it was sent", []operation{found(1, 2, a), failed(add(3, 4, a, 0), 0)}, nil, false},
		{"a failed remove did happen", []operation{add(1, 2, a, yes), failed(is(remove, 3, 4, 0), 0), is(get, 5, 6, no)}, nil, true},
		{"a failed remove did not", []operation{add(1, 2, a, yes), failed(is(remove, 3, 4, 0), 0), found(5, 6, a)}, nil, true},
		{"a failed GET tells nothing", []operation{add(1, 2, a, yes), failed(is(get, 3, 4, 0), 0), found(5, 6, a)}, nil, true},
		{"a restart empties", []operation{add(1, 2, a, yes), is(get, 20, 21, no)}, []kill{{10, 12}}, true},
		{"a restart empties, and it is there", []operation{add(1, 2, a, yes), found(20, 21, a)}, []kill{{10, 12}}, false},
		{"before the restart it is there", []operation{add(1, 2, a, yes), is(get, 5, 6, no), is(get, 20, 21, no)}, []kill{{10, 12}}, false},
		{"while it ends, either", []operation{add(1, 2, a, yes), found(9, 11, a), is(get, 10, 11, no)}, []kill{{10, 12}}, true},
		{"a restart before all of it", []operation{add(21, 22, a, yes), found(23, 24, a)}, []kill{{10, 12}}, true},
		{"added while the one before still ends", []operation{add(11, 11, a, yes), is(get, 20, 21, no)}, []kill{{10, 12}}, true},
		{"a failed add of one dc_server, found in the next",
			[]operation{failed(add(1, 2, a, 0), 0), found(20, 21, a)}, []kill{{10, 12}}, false},
		{"a failed add that the next may have had",
			[]operation{failed(add(1, 11, a, 0), 1), found(20, 21, a)}, []kill{{10, 12}}, true},
		{"a connection closed: any may have had it",
			[]operation{{op: codec.OpAdd, value: a, outcome: lost, call: 1, ret: 2, epoch: anyEpoch}, found(20, 21, a)}, []kill{{10, 12}}, true},
		{"two restarts", []operation{add(1, 2, a, yes), add(20, 21, b, yes), found(22, 23, b), add(40, 41, a, yes)}, []kill{{10, 12}, {30, 32}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := linearizable(tt.all, &kills{all: tt.kill}, time.Minute)
			if (got == porcupine.Ok) != tt.want || got == porcupine.Unknown {
				t.Errorf("got %v, want possible %v", got, tt.want)
			}
		})
	}
}

// TestRefusedRequestsEndWithTheirServer: the epoch of a failure counts servers that have begun
// to end.
func TestRefusedRequestsEndWithTheirServer(t *testing.T) {
	k := &kills{clock: clock{time.Now()}}
	if got := k.begun(); got != 0 {
		t.Errorf("got epoch %d at first, want 0", got)
	}
	k.record(func() {
		if got := k.begun(); got != 1 {
			t.Errorf("got epoch %d while the first ends, want 1", got)
		}
		if epoch, these := k.during(0, k.clock.now()); epoch != 0 || len(these) != 1 {
			t.Errorf("got epoch %d, %v while it ends, want 0 and that one", epoch, these)
		}
	})
	if epoch, these := k.during(k.clock.now()+1, k.clock.now()+2); epoch != 1 || len(these) != 0 {
		t.Errorf("got epoch %d, %v after the first, want 1, none", epoch, these)
	}
}
