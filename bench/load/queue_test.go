package load

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestQueue compares with a slice, over random pushes and removals.
func TestQueue(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
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
				t.Fatalf("seed %d, step %d: client %d has place %d in the queue", seed, step, c.number, c.place)
			}
		}
		if !slices.Equal(got, want) || q.length != len(want) {
			t.Fatalf("seed %d, step %d: got %v, length %d, want %v", seed, step, got, q.length, want)
		}
	}
}
