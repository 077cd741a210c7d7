package load

import (
	"slices"
	"testing"

	"distcache/internal/test/kit"
)

// TestQueue compares with a slice, over random pushes and removals.
func TestQueue(t *testing.T) {
	random := kit.Random(t)
	clients := make([]client, 20)
	for i := range clients {
		clients[i].number = uint32(i)
	}
	q := newQueue(clients, inWaiting)
	var want []uint32
	for step := range 5000 {
		c := &clients[random.IntN(len(clients))]
		if at := slices.Index(want, c.number); at >= 0 {
			q.remove(c)
			want = slices.Delete(want, at, at+1)
		} else {
			q.push(c)
			want = append(want, c.number)
		}
		var got []uint32
		for c := q.front(); c != nil; c = q.after(c) {
			got = append(got, c.number)
			if c.place != inWaiting {
				t.Fatalf("step %d: client %d has place %d in the queue", step, c.number, c.place)
			}
		}
		if !slices.Equal(got, want) || q.length != len(want) {
			t.Fatalf("step %d: got %v, length %d, want %v", step, got, q.length, want)
		}
	}
}
