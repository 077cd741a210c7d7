package server

import (
	"slices"
	"testing"

	"distcache/codec"
	"distcache/internal/store"
)

// warmed remembers what a Store was told of.
type warmed struct {
	store.Store
	ids []string
}

func (w *warmed) Announce(ids [][]byte) {
	for _, id := range ids {
		w.ids = append(w.ids, string(id))
	}
}

func TestLookupsAreAnnounced(t *testing.T) {
	ask := func(op codec.Op, payload string) []byte {
		return codec.AppendMessage(nil, codec.Request, 7, op, []byte(payload))
	}
	tests := []struct {
		name string
		read []byte
		want []string
	}{
		{"one request waits for nobody", ask(codec.OpGet, "a"), nil},
		{"each lookup of a read", slices.Concat(ask(codec.OpGet, "a"), ask(codec.OpHave, "b"), ask(codec.OpRemove, "c")),
			[]string{"a", "b", "c"}},
		{"an ADD is no lookup", slices.Concat(ask(codec.OpGet, "a"), ask(codec.OpAdd, "x"), ask(codec.OpGet, "b")),
			[]string{"a", "b"}},
		{"ids that cannot exist", slices.Concat(ask(codec.OpGet, ""), ask(codec.OpGet, "a"),
			ask(codec.OpGet, string(make([]byte, codec.MaxIDLen+1))), ask(codec.OpGet, "b")), []string{"a", "b"}},
		{"the request that is cut", slices.Concat(ask(codec.OpGet, "a"), ask(codec.OpGet, "b"), ask(codec.OpGet, "c")[:15-1]),
			[]string{"a", "b"}},
		{"garbage", slices.Concat(ask(codec.OpGet, "a"), ask(codec.OpGet, "b"), make([]byte, 100)), []string{"a", "b"}},
		{"nothing", nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, Config{}, 64)
			w := &warmed{Store: r.store}
			r.Server.store = w
			r.send(test.read, 1<<20)
			if !slices.Equal(w.ids, test.want) {
				t.Errorf("got %q, want %q", w.ids, test.want)
			}
		})
	}
}
