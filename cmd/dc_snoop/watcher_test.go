package main

import (
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// newTestWatcher returns a watcher whose records stay in the queue.
func newTestWatcher(c *config) (*watcher, *recorder) {
	r := &recorder{queue: newQueue(), pcap: new(output)}
	return newWatcher(1, c, r, newStats(time.Now())), r
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
	if w.waiting != maxOpen || len(w.open) != maxOpen {
		t.Errorf("got %d requests remembered, %d uids, want %d", w.waiting, len(w.open), maxOpen)
	}
	w.saw(time.Now(), codec.Response, kit.Hit(maxOpen+5, "data"))
	if got := w.stats.figures(time.Now(), 0).Ops[codec.OpGet]; got.Unasked != 1 || got.Requests != maxOpen+10 {
		t.Errorf("got %+v, want all requests counted, and an answer to none of those remembered", got)
	}
}
