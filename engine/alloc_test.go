//go:build !race

package engine

import (
	"fmt"
	"runtime"
	"testing"
)

// operations are what the allocation test and the benchmark do.
var operations = []struct {
	name    string
	endTurn bool // the Handler asks for the end of each turn, as the agent does
	do      func(d *drive, t testing.TB)
}{
	{"short-lived", false, (*drive).shortLived},
	{"keep-alive", false, (*drive).keepAlive},
	{"keep-alive-batched", true, (*drive).keepAlive},
}

// TestAllocations counts what the whole process allocates during 10,000 operations. The
// clients' side is system calls alone, so what is counted is the loop's: accept, read,
// answer, close. An operation takes nothing, and the end of a turn neither.
func TestAllocations(t *testing.T) {
	const count, handful = 3_000, 50
	for _, op := range operations {
		for _, clients := range []int{1, 16} {
			t.Run(fmt.Sprintf("op=%s/clients=%d", op.name, clients), func(t *testing.T) {
				srv, e := serveEcho(t, op.endTurn)
				d := newDrive(t, srv.at, clients)
				defer d.close()
				for range 1000 { // so that tables and lists have their sizes
					op.do(d, t)
				}
				turns := turnsOf(srv, e)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for range count {
					op.do(d, t)
				}
				runtime.ReadMemStats(&after)
				turns = turnsOf(srv, e) - turns
				got := after.Mallocs - before.Mallocs
				if t.Logf("%d operations in %d turns: %d allocations", count, turns, got); got > handful {
					t.Errorf("got %d allocations in %d operations and %d turns, want %d at most", got, count, turns, handful)
				}
			})
		}
	}
}

// turnsOf reads the number of turns on the loop goroutine.
func turnsOf(srv *server, e *echo) (turns uint64) {
	srv.do(func() { turns = e.turns })
	return turns
}
