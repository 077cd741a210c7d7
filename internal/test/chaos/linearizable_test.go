package chaos

import (
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"distcache/codec"
)

// TestLinearizable holds what the model takes for possible. Times are in any unit.
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

// TestRefusedRequestsEndWithTheirServer holds that the epoch of a failure counts what has
// begun to end.
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
