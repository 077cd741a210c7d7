package memcached

import (
	"distcache/codec"
	"distcache/codec/memcached"
	"distcache/engine/buffer"
)

// kind is how a request is answered.
type kind uint8

// The kinds.
const (
	answered   kind = iota // it is not open
	get                    // GET
	add                    // ADD
	replace                // ADD of a set; if the ID is there, REMOVE and ADD
	replacing              // the second time
	expired                // REMOVE: a set that has expired already
	addExpired             // HAVE: an add that has expired already
	tooLarge               // REMOVE: a set whose value is too long
	remove                 // REMOVE
)

// open is a request that waits for its answer.
type open struct {
	kind kind
	head memcached.Head
	key  []byte // where the answer needs it
	kept []byte // of a set: the ADD in its wire form; nil: there was no memory for it
}

// id is the ID in the ADD of a set.
func (o *open) id() []byte {
	at := o.kept[codec.HeaderSize+codec.AddOverhead:]
	return at[:o.kept[codec.HeaderSize+codec.AddOverhead-1]] // the last byte of its length, which is at most 64
}

// Window is the number of requests that a client may have open. What it sends beyond that waits.
const Window = 16

// ring holds the open requests of a client by the number of each. A client that has none open has
// no ring.
type ring struct {
	requests [Window]open
	keys     [][memcached.MaxKey]byte
	used     uint64 // which of keys
}

// newRing gives an empty ring: the one that became free last, if there is one.
func (w *Wire) newRing() *ring {
	if n := len(w.free) - 1; n >= 0 {
		r := w.free[n]
		w.free = w.free[:n]
		return r
	}
	return &ring{keys: make([][memcached.MaxKey]byte, w.config.Gets)}
}

// at is the place of the request with that number.
func (r *ring) at(seq uint32) *open { return &r.requests[seq%Window] }

// keep copies the key of a get. There are as many places as gets may be open.
func (r *ring) keep(key []byte) []byte {
	for i := range r.keys {
		if r.used&(1<<i) == 0 {
			r.used |= 1 << i
			return r.keys[i][:copy(r.keys[i][:], key)]
		}
	}
	panic("more gets are open than Config.Gets")
}

// drop wipes a key, and gives its place back.
func (r *ring) drop(key []byte) {
	for i := range r.keys {
		if len(key) > 0 && &key[0] == &r.keys[i][0] {
			clear(key)
			r.used &^= 1 << i
		}
	}
}

// clear forgets all requests.
func (r *ring) clear(pool *buffer.Pool) {
	for i := range r.requests {
		pool.Put(r.requests[i].kept)
		r.drop(r.requests[i].key)
		r.requests[i] = open{}
	}
}

// forget ends an open request of the client.
func (w *Wire) forget(s *conn, o *open) {
	s.ring.drop(o.key)
	if o.kept != nil {
		s.kept -= len(o.kept)
		s.sets--
		w.pool.Put(o.kept)
	}
	*o = open{}
	if s.open--; s.open == 0 {
		w.free = append(w.free, s.ring)
		s.ring = nil
	}
}

const (
	// Memory is what a Wire and its Front take without a client, in bytes.
	Memory = 512 << 10
	// EntryMemory is what a client's number takes in the tables of each loop, in bytes, and
	// ClientMemory what one takes that has requests open: doubled, because tables grow by doubling.
	EntryMemory  = 2 * 176
	ClientMemory = 2 << 10
)
