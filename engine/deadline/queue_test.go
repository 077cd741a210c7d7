package deadline

import (
	"slices"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

func TestQueueIsInOrderOfDeadline(t *testing.T) {
	var e Entries
	q := e.NewQueue(10)
	for i := range 5 {
		q.Set(i, time.Duration(i))
	}
	q.Set(1, 7) // moved to the end
	e.Clear(3)
	var got []int
	for i, ok := q.Due(100); ok; i, ok = q.Due(100) {
		got = append(got, i)
		e.Clear(i)
	}
	if want := []int{0, 2, 4, 1}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if q.Len() != 0 || q.Deadline() != Never {
		t.Errorf("emptied queue: length %d, deadline %v", q.Len(), q.Deadline())
	}
}

func TestDueIsNotBeforeTheDeadline(t *testing.T) {
	var e Entries
	q := e.NewQueue(10)
	q.Set(0, 5)
	if _, ok := q.Due(14); ok {
		t.Error("due 1 ns early")
	}
	if i, ok := q.Due(15); !ok || i != 0 {
		t.Errorf("at the deadline: got %d, %v, want 0, true", i, ok)
	}
}

func TestNeverKeepsOrderAndIsNeverDue(t *testing.T) {
	var e Entries
	q := e.NewQueue(Never)
	q.Set(3, 1)
	q.Set(2, 2)
	if _, ok := q.Due(Never - 1); ok {
		t.Error("an entry without deadline came due")
	}
	if i, ok := q.First(); !ok || i != 3 {
		t.Errorf("first: got %d, %v, want 3, true", i, ok)
	}
}

func TestSetMovesBetweenQueues(t *testing.T) {
	var e Entries
	a, b := e.NewQueue(1), e.NewQueue(2)
	a.Set(0, 0)
	b.Set(0, 0)
	if a.Len() != 0 || b.Len() != 1 {
		t.Errorf("lengths %d and %d, want 0 and 1", a.Len(), b.Len())
	}
}

// TestQueuesAgainstAModel moves entries between two queues at random and compares
// them with slices after each step.
func TestQueuesAgainstAModel(t *testing.T) {
	rng := kit.Random(t)
	var e Entries
	queues := []*Queue{e.NewQueue(3), e.NewQueue(Never)}
	model := make([][]int, 2)
	for step := range 20000 {
		i, k := rng.IntN(20), rng.IntN(3)
		for j := range model {
			model[j] = slices.DeleteFunc(model[j], func(v int) bool { return v == i })
		}
		if k == 2 {
			e.Clear(i)
		} else {
			queues[k].Set(i, time.Duration(step))
			model[k] = append(model[k], i)
		}
		for j, q := range queues {
			if got := contents(q); !slices.Equal(got, model[j]) {
				t.Fatalf("step %d, queue %d: got %v, want %v", step, j, got, model[j])
			}
		}
	}
}

func contents(q *Queue) []int {
	var all []int
	for i := q.head; i != none; i = q.entries.links[i].next {
		all = append(all, int(i))
	}
	return all
}
