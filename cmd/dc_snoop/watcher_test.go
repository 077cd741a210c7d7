package main

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// newTestWatcher returns a watcher whose records stay in the queue.
func newTestWatcher(c *config) (*watcher, *recorder) {
	r := &recorder{queue: newQueue(), pcap: new(output)}
	return newWatcher(1, c, r, newStats(time.Now()), newAllowance()), r
}

// TestRecordsAreCopies: what is passed on is in a buffer that is used again.
func TestRecordsAreCopies(t *testing.T) {
	t.Parallel()
	w, r := newTestWatcher(&config{data: true})
	chunks := [][]byte{kit.Get(1, "id"), kit.Hit(1, "data"), []byte("garbage")}
	dirs := []codec.Direction{codec.Request, codec.Response, codec.Request}
	for i, chunk := range chunks {
		w.saw(time.Now(), dirs[i], chunk)
		clear(chunk)
	}
	items, _, _ := r.queue.take(nil)
	var got string
	for _, i := range items {
		if i.event != nil {
			got += string(i.event.id) + "," + string(i.event.payload) + ";"
		} else {
			got += string(i.packet.payload[max(0, len(i.packet.payload)-4):]) + "|"
		}
	}
	if want := "\x00\x02id|id,id;data|id,data;bage|,;,garbage;"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestOpenRequestsAreBounded: a server that never answers costs no more than so much memory.
func TestOpenRequestsAreBounded(t *testing.T) {
	t.Parallel()
	w, r := newTestWatcher(&config{filter: filter{codec.OpAdd: true}})
	r.pcap = nil
	for uid := range uint32(maxOpen + 10) {
		w.saw(time.Now(), codec.Request, kit.Get(uid, "id"))
	}
	if w.open.count != maxOpen || len(w.open.byUID) != maxOpen {
		t.Errorf("got %d requests remembered, %d uids, want %d", w.open.count, len(w.open.byUID), maxOpen)
	}
	w.saw(time.Now(), codec.Response, kit.Hit(maxOpen+5, "data"))
	if got := w.stats.figures(time.Now(), 0).Ops[codec.OpGet]; got.Unasked != 1 || got.Requests != maxOpen+10 {
		t.Errorf("got %+v, want all requests counted, and an answer to none of those remembered", got)
	}
}

// TestRememberedIDsAreBounded: however long the IDs are, and over how many connections. What an
// answer or the end of a connection gives back is there for others.
func TestRememberedIDsAreBounded(t *testing.T) {
	// Not parallel: it measures the memory in use.
	first, r := newTestWatcher(&config{filter: filter{codec.OpAdd: true}})
	second := newWatcher(2, &config{}, r, first.stats, first.open.allowance)
	r.pcap = nil
	request := kit.Get(1, strings.Repeat("i", codec.MaxPayload))
	heldBefore := heap()
	for range 3 * maxRemembered / 2 / codec.MaxPayload { // all under one uid
		first.saw(time.Now(), codec.Request, request)
	}
	full := maxRemembered / (codec.MaxPayload + 128)
	if got := first.open.count; got != full {
		t.Errorf("got %d requests remembered, want %d", got, full)
	}
	second.saw(time.Now(), codec.Request, request)
	if second.open.count != 0 {
		t.Error("got a request of a second connection remembered, want the bound for both")
	}
	for range full - 1 {
		first.saw(time.Now(), codec.Response, kit.Status(1, codec.OpGet, codec.StatusNotOK))
	}
	if got := heap() - heldBefore; got > maxRemembered/8 {
		t.Errorf("got %d bytes held for one request, want the others gone", got)
	}
	second.saw(time.Now(), codec.Request, request)
	first.closed(time.Now())
	second.closed(time.Now())
	if got := first.open.allowance.left.Load(); got != maxRemembered {
		t.Errorf("got %d bytes left at the end, want %d", got, maxRemembered)
	}
}

// heap is the memory in use, in bytes.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
