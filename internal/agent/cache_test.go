package agent

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"distcache/codec"
	"distcache/upstream"
)

// cacheRig is a rig with a cache and one client.
func cacheRig(t testing.TB) *rig {
	config := testConfig()
	config.Cache = newTestCache()
	t.Cleanup(func() { closeTestCache(config.Cache) })
	r := upRig(t, config)
	r.come(1, 2)
	return r
}

// request has client 1 ask, and gives what dc_server is sent.
func (r *rig) request(op codec.Op, payload string) codec.Message {
	r.t.Helper()
	r.send(1, codec.AppendMessage(nil, codec.Request, 7, op, []byte(payload)))
	return r.seenOne()
}

// did has client 1 ask, and dc_server answer.
func (r *rig) did(op codec.Op, payload, answer string) {
	r.t.Helper()
	r.answer(r.request(op, payload), answer)
	r.mustGetBytes(1, codec.AppendMessage(nil, codec.Response, 7, op, []byte(answer)))
}

// mustAsk holds how dc_server is asked for a session.
func (r *rig) mustAsk(id string, want codec.Op) codec.Message {
	r.t.Helper()
	m := r.request(codec.OpGet, id)
	if m.Op != want || string(m.Payload(nil)) != id {
		r.t.Errorf("dc_server got %v of %q, want %v of %q", m.Op, m.Payload(nil), want, id)
	}
	return m
}

func addOf(id, data string, life time.Duration) string {
	return string(codec.AppendAdd(nil, codec.Add{Timeout: life, ID: []byte(id), Data: []byte(data)}))
}

const (
	ok    = "\x00"
	notOK = "\x01"
)

// TestCacheFills: what was added, and what a GET has found, costs a HAVE from then on.
func TestCacheFills(t *testing.T) {
	for _, size := range []int{2, 180, 2000, 5000, 32_000} {
		r := cacheRig(t)
		data := strings.Repeat("d", size)
		r.did(codec.OpAdd, addOf("added", data, time.Hour), ok)
		r.did(codec.OpGet, "found", data)
		for _, id := range []string{"added", "found"} {
			r.answer(r.mustAsk(id, codec.OpHave), ok)
			r.mustGet(1, 7, data)
		}
		if got := r.cache.Counters; got != (CacheCounters{Hits: 2}) {
			t.Errorf("got %+v, want 2 hits", got)
		}
	}
}

// TestCacheAsks: what dc_server has to be asked for itself.
func TestCacheAsks(t *testing.T) {
	for _, row := range []struct {
		name   string
		before func(r *rig)
	}{
		{"nothing before", func(*rig) {}},
		{"a GET that found nothing", func(r *rig) { r.did(codec.OpGet, "id", notOK) }},
		{"a session of one byte", func(r *rig) { r.did(codec.OpAdd, addOf("id", "d", time.Hour), ok) }},
		{"an ADD of an ID that is there", func(r *rig) { r.did(codec.OpAdd, addOf("id", "data", time.Hour), "\x65") }},
		{"an ADD that was given up", func(r *rig) {
			r.request(codec.OpAdd, addOf("id", "data", time.Hour))
			r.at(testTimeout)
			r.mustGetBytes(1, codec.AppendStatus(nil, 7, codec.OpAdd, codec.StatusDisconnected))
		}},
		{"a REMOVE", func(r *rig) {
			r.did(codec.OpAdd, addOf("id", "data", time.Hour), ok)
			r.did(codec.OpRemove, "id", ok)
		}},
		{"an ADD that dc_server took in its place", func(r *rig) {
			r.did(codec.OpAdd, addOf("id", "data", time.Hour), ok)
			r.did(codec.OpAdd, addOf("id", "other", time.Hour), ok)
		}},
		{"it has expired", func(r *rig) {
			r.did(codec.OpAdd, addOf("id", "data", 50*ms), ok)
			r.at(r.now + 51*ms)
		}},
		{"it was kept long enough", func(r *rig) {
			r.did(codec.OpGet, "id", "data")
			for end := r.now + entryLife + ms; r.now < end; r.at(r.now + time.Second) {
				for _, m := range r.seen() { // probes
					r.answer(m, notOK)
				}
			}
		}},
		{"dc_server does not have it", func(r *rig) {
			r.did(codec.OpAdd, addOf("id", "data", time.Hour), ok)
			r.answer(r.mustAsk("id", codec.OpHave), notOK)
			r.mustGet(1, 7, notOK)
		}},
		{"the connection was lost", func(r *rig) {
			r.did(codec.OpAdd, addOf("id", "data", time.Hour), ok)
			r.Link().Broken(upstream.ErrClosed, r.now)
			r.at(r.now + testRetry)
			r.comeUp()
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := cacheRig(t)
			row.before(r)
			r.answer(r.mustAsk("id", codec.OpGet), "new data")
			r.mustGet(1, 7, "new data")
			if !r.cache.idle() {
				t.Error("something is under way, want nothing")
			}
		})
	}
}

// TestCacheLeavesAnswersAlone: each answer to a HAVE becomes one to the GET.
func TestCacheLeavesAnswersAlone(t *testing.T) {
	r := cacheRig(t)
	for _, row := range []struct{ have, get string }{
		{ok, "data"}, {notOK, notOK}, {disconnected, disconnected}, {"\x07", "\x07"}, {"", disconnected}, {"more than a byte", disconnected},
	} {
		r.did(codec.OpRemove, "id", ok)
		r.did(codec.OpAdd, addOf("id", "data", time.Hour), ok)
		r.answer(r.mustAsk("id", codec.OpHave), row.have)
		r.mustGet(1, 7, row.get)
	}
	r.did(codec.OpRemove, "id", ok)
	r.did(codec.OpAdd, addOf("id", "data", time.Hour), ok)
	r.mustAsk("id", codec.OpHave)
	r.at(r.now + testTimeout)
	r.mustGet(1, 7, disconnected)
	r.did(codec.OpHave, "id", ok) // that of a client stays one
}

// TestCacheAsksAgain: the entry was gone when dc_server said that it has the session.
func TestCacheAsksAgain(t *testing.T) {
	r := cacheRig(t)
	r.did(codec.OpAdd, addOf("id", "data", 50*ms), ok)
	m := r.mustAsk("id", codec.OpHave)
	r.at(r.now + 100*ms)
	r.answer(m, ok)
	r.mustGetNothing(1)
	if m = r.seenOne(); m.Op != codec.OpGet || string(m.Payload(nil)) != "id" {
		t.Errorf("dc_server got %v of %q, want a GET", m.Op, m.Payload(nil))
	}
	r.answer(m, "data that lives on")
	r.mustGet(1, 7, "data that lives on")
	if got := r.cache.Counters; got != (CacheCounters{Again: 1}) {
		t.Errorf("got %+v, want one asked again", got)
	}
}

// TestCacheKeepsTheOrder: a client that asks and removes in one breath gets the session, and then it is gone.
func TestCacheKeepsTheOrder(t *testing.T) {
	r := cacheRig(t)
	r.did(codec.OpAdd, addOf("id", "data", time.Hour), ok)
	get := codec.AppendMessage(nil, codec.Request, 1, codec.OpGet, []byte("id"))
	both := codec.AppendMessage(get, codec.Request, 2, codec.OpRemove, []byte("id"))
	r.send(1, codec.AppendMessage(both, codec.Request, 3, codec.OpGet, []byte("id")))
	all := r.seen()
	if len(all) != 3 || all[0].Op != codec.OpHave || all[1].Op != codec.OpRemove || all[2].Op != codec.OpGet {
		t.Fatalf("dc_server got %v, want HAVE, REMOVE, GET", all)
	}
	r.answer(all[0], ok)
	r.answer(all[1], ok)
	r.answer(all[2], notOK)
	want := codec.AppendMessage(nil, codec.Response, 1, codec.OpGet, []byte("data"))
	want = codec.AppendStatus(want, 2, codec.OpRemove, codec.StatusOK)
	r.mustGetBytes(1, codec.AppendStatus(want, 3, codec.OpGet, codec.StatusNotOK))
}

// TestCacheKeepsTheOrderOfGets: two GETs are under way. The answer to the second replaces the entry of the first. A HAVE that was
// sent between the two answers uses the new entry: a GET in its place would be sent behind the REMOVE, and miss.
func TestCacheKeepsTheOrderOfGets(t *testing.T) {
	r := cacheRig(t)
	first, second := r.request(codec.OpGet, "id"), r.request(codec.OpGet, "id")
	r.answer(first, "data")
	check := r.mustAsk("id", codec.OpHave)
	r.answer(second, "data")
	removal := r.request(codec.OpRemove, "id")
	r.answer(check, ok)
	r.answer(removal, ok)
	want := []byte(nil)
	for range 3 {
		want = codec.AppendMessage(want, codec.Response, 7, codec.OpGet, []byte("data"))
	}
	r.mustGetBytes(1, codec.AppendStatus(want, 7, codec.OpRemove, codec.StatusOK))
	r.answer(r.mustAsk("id", codec.OpGet), notOK)
	r.mustGet(1, 7, notOK)
}

// TestCacheDoesNotLookAhead: an entry of an ADD behind a HAVE is not what the HAVE was about.
func TestCacheDoesNotLookAhead(t *testing.T) {
	r := cacheRig(t)
	r.did(codec.OpAdd, addOf("id", "data", 50*ms), ok)
	check := r.mustAsk("id", codec.OpHave)
	r.at(r.now + 51*ms)
	addition := r.request(codec.OpAdd, addOf("id", "later", time.Hour))
	r.answer(check, ok)
	again := r.seenOne()
	if again.Op != codec.OpGet {
		t.Fatalf("dc_server got %v, want a GET", again.Op)
	}
	r.answer(addition, ok)
	r.answer(again, "data of before")
	want := codec.AppendMessage(nil, codec.Response, 7, codec.OpGet, []byte("data of before"))
	r.mustGetBytes(1, codec.AppendStatus(want, 7, codec.OpAdd, codec.StatusOK))
}

// countedWrites is Writes of one hash.
type countedWrites struct{ n uint32 }

func (w *countedWrites) Note(uint64)         { w.n++ }
func (w *countedWrites) Count(uint64) uint32 { return w.n }

// TestCacheHearsOfOthers: what another agent of the process writes ends the use of an entry, and what was fetched meanwhile is none.
func TestCacheHearsOfOthers(t *testing.T) {
	writes := &countedWrites{}
	config := testConfig()
	config.Cache, config.Writes = newTestCache(), writes
	t.Cleanup(func() { closeTestCache(config.Cache) })
	r := upRig(t, config)
	r.come(1)
	r.did(codec.OpAdd, addOf("id", "data", time.Hour), ok)
	r.answer(r.mustAsk("id", codec.OpHave), ok)
	r.mustGet(1, 7, "data")
	writes.n++
	m := r.mustAsk("id", codec.OpGet)
	writes.n++
	r.answer(m, "other data")
	r.mustGet(1, 7, "other data")
	r.answer(r.mustAsk("id", codec.OpGet), "other data")
	r.mustGet(1, 7, "other data")
	r.answer(r.mustAsk("id", codec.OpHave), ok)
	r.mustGet(1, 7, "other data")
	before := writes.n
	r.did(codec.OpRemove, "id", ok)
	if writes.n != before+2 {
		t.Errorf("got %d notes of a REMOVE, want one as it leaves and one with its answer", writes.n-before)
	}
}

// TestTicketSize: the bound of the memory counts on it.
func TestTicketSize(t *testing.T) {
	if got := unsafe.Sizeof(ticket{}); got != ticketSize {
		t.Errorf("got %d bytes, want %d", got, ticketSize)
	}
}
