package memcached

import (
	"testing"
	"unsafe"

	"distcache/codec/memcached"
)

// TestMemoryIsCounted: what dc_client counts for a client is what it takes.
func TestMemoryIsCounted(t *testing.T) {
	const gets = 3 // as dc_client has
	if got := unsafe.Sizeof(ring{}) + gets*memcached.MaxKey; got > ClientMemory {
		t.Errorf("got %d bytes for the open requests of a client, want %d at most", got, ClientMemory)
	}
	// front.client and its entry of a deadline.Queue are in the same place of other tables.
	const others = 72 + 32
	if got := unsafe.Sizeof(conn{}) + others; 2*got > EntryMemory {
		t.Errorf("got %d bytes for a client's number, want %d at most", got, EntryMemory/2)
	}
}

// TestKeysOfARing: each open get has a place of its own for its key, and gives it back.
func TestKeysOfARing(t *testing.T) {
	r := &ring{keys: make([][memcached.MaxKey]byte, 2)}
	a, b := r.keep([]byte("a")), r.keep([]byte("bb"))
	r.drop(a)
	c := r.keep([]byte("ccc"))
	if string(b) != "bb" || string(c) != "ccc" {
		t.Errorf("got %q and %q, want bb and ccc", b, c)
	}
}
