package redis

import (
	"bytes"
	"hash/maphash"
	"time"

	"distcache/codec"
	"distcache/internal/store"
)

// none stands for no request.
const none = int32(-1)

// request is one that has no answer yet.
type request struct {
	ticket store.Ticket
	at     time.Duration // when it came
	batch  *batch        // that it is in
	serial uint32        // tells it from others that were in this place
	bucket uint32        // of its ID
	below  int32         // the next older one in the bucket
	older  int32         // in the list by age
	newer  int32
	op     codec.Op
	verb   verb
	moves  uint8 // redirects that it has followed
	idLen  uint8
	live   bool
	id     [codec.MaxIDLen]byte
}

// buckets is the size of the table by ID: as many as there are requests at most; a power of two.
const buckets = maxOpen

// requests are those that have no answer, in a table by ID and in a list by age.
type requests struct {
	all     []request
	free    []int32
	oldest  int32
	newest  int32
	open    int
	seed    maphash.Seed // random, so an outsider cannot choose IDs that meet in one bucket
	buckets []int32      // the newest request of each
}

func newRequests() requests {
	q := requests{oldest: none, newest: none, seed: maphash.MakeSeed(), buckets: make([]int32, buckets)}
	for i := range q.buckets {
		q.buckets[i] = none
	}
	return q
}

func (q *requests) bucket(id []byte) uint32 { return uint32(maphash.Bytes(q.seed, id)) & (buckets - 1) }

// before gives the newest request for the ID; nil: there is none.
func (q *requests) before(bucket uint32, id []byte) *request {
	for i := q.buckets[bucket]; i != none; i = q.all[i].below {
		if e := &q.all[i]; bytes.Equal(e.id[:e.idLen], id) {
			return e
		}
	}
	return nil
}

// add enters a request, which is the newest.
func (q *requests) add(r *store.Request, bucket uint32, now time.Duration) int32 {
	var i int32
	if n := len(q.free); n > 0 {
		i, q.free = q.free[n-1], q.free[:n-1]
	} else {
		i = int32(len(q.all))
		q.all = append(q.all, request{})
	}
	e := &q.all[i]
	e.ticket, e.op, e.at, e.live, e.moves = r.Ticket, r.Op, now, true, 0
	e.verb = verbOf(r.Op, r.TTL)
	e.idLen = uint8(copy(e.id[:], r.ID))
	e.bucket, e.below, q.buckets[bucket] = bucket, q.buckets[bucket], i
	e.older, e.newer = q.newest, none
	if q.newest == none {
		q.oldest = i
	} else {
		q.all[q.newest].newer = i
	}
	q.newest = i
	q.open++
	return i
}

// remove takes out the request i.
func (q *requests) remove(i int32) {
	e := &q.all[i]
	if e.older == none {
		q.oldest = e.newer
	} else {
		q.all[e.older].newer = e.newer
	}
	if e.newer == none {
		q.newest = e.older
	} else {
		q.all[e.newer].older = e.older
	}
	at := &q.buckets[e.bucket]
	for *at != i {
		at = &q.all[*at].below
	}
	*at = e.below
	clear(e.id[:e.idLen])
	e.live, e.batch = false, nil
	e.serial++
	q.free = append(q.free, i)
	q.open--
}

// of gives the request of a command, or nil when it has been answered.
func (q *requests) of(c *command) *request {
	if e := &q.all[c.request]; e.live && e.serial == c.serial {
		return e
	}
	return nil
}
