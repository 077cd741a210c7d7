package chaos

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// replicaBehind is the fault in which sessions are lost.
const replicaBehind = "master killed, its replica behind"

// killMaster ends one of the cluster's masters, as a crash does, waits until its replica has taken over, and starts it anew: it becomes
// the replica. Where the replica is behind, it gets nothing of the last moments.
func (n *nemesis) killMaster(behind bool) {
	all := n.between.cluster
	masters := slices.DeleteFunc(slices.Clone(all), func(r *kit.Redis) bool { return !r.IsMaster() })
	victim := masters[n.random.IntN(len(masters))]
	i := slices.IndexFunc(all, func(r *kit.Redis) bool {
		return r != victim && strings.Contains(r.Do("role"), strconv.Itoa(victim.Port))
	})
	if i < 0 {
		n.t.Errorf("got no replica of %s, want one", victim.Address())
		return
	}
	replica := all[i]
	w := n.newWitness()
	if behind { // it has lost its master and cannot come back: the master knows no password
		replica.Do("config", "set", "masterauth", "wrong")
		victim.Do("client", "kill", "type", "replica")
	}
	w.watch(20*time.Millisecond + time.Duration(n.random.Int64N(int64(400*time.Millisecond))))
	n.failovers.record(func() {
		victim.Kill()
		kit.Wait(n.t, patience, "the replica to take over", replica.IsMaster)
	})
	replica.Do("config", "set", "masterauth", "")
	victim.Restart()
	kit.Wait(n.t, patience, "cluster with all replicas", func() bool { return kit.ClusterServes(all) })
	w.tell(n.ledger)
}

// failover is a step of the lossy model: the session may become one that the replica had, which are these.
type failover struct{ values []value }

// excused counts a history that no order explains unless a failover lost something, and reports whether it is one.
func (c *checker) excused(h *history) bool {
	excused := linearizableButFor(h.operations, c.failovers, verdictLimit) == porcupine.Ok
	if excused {
		c.ledger.excused.Add(1)
	}
	return excused
}

// linearizableButFor is linearizable where each failover may lose ADDs and undo REMOVEs.
func linearizableButFor(operations []operation, failovers *kills, limit time.Duration) porcupine.CheckResult {
	first, last := int64(math.MaxInt64), int64(0)
	once := failover{values: []value{{}}}
	for _, o := range operations {
		first, last = min(first, o.call), max(last, o.ret)
		if o.op == codec.OpAdd {
			once.values = append(once.values, o.value)
		}
	}
	_, these := failovers.during(first, last)
	if len(these) == 0 {
		return porcupine.Illegal
	}
	all := events(operations, 0, nil)
	for _, one := range these {
		all = append(all, porcupine.Operation{Input: once, Call: one.begin, Return: one.end})
	}
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{session{}} },
		Step: func(state, input, _ any) []any {
			f, ok := input.(failover)
			if !ok {
				possible, next := step(state.(session), input)
				if !possible {
					return nil
				}
				return []any{next}
			}
			next := []any{state}
			for _, v := range f.values {
				next = append(next, session{value: v})
			}
			return next
		},
	}
	return porcupine.CheckOperationsTimeout(model.ToModel(), all, limit)
}

// TestFailoversExplainLosses: what asynchronous replication can lose is told from what it cannot.
func TestFailoversExplainLosses(t *testing.T) {
	a, b := value{1, 1}, value{2, 1}
	do := func(op codec.Op, call int64, v value, o outcome) operation {
		return operation{op: op, call: call, ret: call + 1, value: v, outcome: o}
	}
	add, get, remove := codec.OpAdd, codec.OpGet, codec.OpRemove
	for _, row := range []struct {
		name string
		all  []operation
		want bool
	}{
		{"lost over the failover", []operation{do(add, 1, a, yes), do(get, 20, a, no)}, true},
		{"lost before it", []operation{do(add, 1, a, yes), do(get, 5, a, no), do(get, 20, a, no)}, false},
		{"back over it", []operation{do(add, 1, a, yes), do(remove, 3, a, yes), do(get, 20, a, yes)}, true},
		{"back after it", []operation{do(add, 1, a, yes), do(get, 20, a, no), do(get, 23, a, yes)}, false},
		{"another's over it", []operation{do(add, 1, a, yes), do(get, 20, b, yes)}, false},
		{"no failover at all", []operation{do(add, 30, a, yes), do(get, 33, a, no)}, false},
	} {
		c := &checker{ledger: &ledger{}, failovers: &kills{all: []kill{{10, 12}}}}
		if got := c.excused(&history{operations: row.all}); got != row.want {
			t.Errorf("%s: got explained by the failover %v, want %v", row.name, got, row.want)
		}
	}
}
